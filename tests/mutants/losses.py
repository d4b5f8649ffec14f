"""Wrong losses and right ones."""

MUTANTS = ()
CORRECT = ()
