"""Wrong student architectures and right ones."""

from mutants.students import modules, plans, weights
from mutants.students.correct import CORRECT

MUTANTS = (*plans.MUTANTS, *weights.MUTANTS, *modules.MUTANTS)

__all__ = ["CORRECT", "MUTANTS"]
