"""Wrong students and right ones."""

MUTANTS = ()
CORRECT = ()
