"""Wrong student architectures and right ones."""

from mutants.students import keeping, modules, plans, weights
from mutants.students.correct import CORRECT

MUTANTS = (*plans.MUTANTS, *weights.MUTANTS, *modules.MUTANTS, *keeping.MUTANTS)

__all__ = ["CORRECT", "MUTANTS"]
