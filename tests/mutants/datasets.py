"""Wrong datasets and right ones."""

MUTANTS = ()
CORRECT = ()
