"""Wrong scorers and right ones."""

from mutants.scorers import folds, outside, terms
from mutants.scorers.correct import CORRECT

MUTANTS = (*terms.MUTANTS, *folds.MUTANTS, *outside.MUTANTS)

__all__ = ["CORRECT", "MUTANTS"]
