"""Wrong scorers and right ones."""

MUTANTS = ()
CORRECT = ()
