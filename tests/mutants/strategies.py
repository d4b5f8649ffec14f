"""Wrong strategies and right ones."""

MUTANTS = ()
CORRECT = ()
