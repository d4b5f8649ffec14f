"""Wrong scorers and right ones."""

from mutants.scorers import folds, lasting, outside, places, terms
from mutants.scorers.correct import CORRECT

MUTANTS = (*terms.MUTANTS, *folds.MUTANTS, *outside.MUTANTS, *places.MUTANTS, *lasting.MUTANTS)

__all__ = ["CORRECT", "MUTANTS"]
