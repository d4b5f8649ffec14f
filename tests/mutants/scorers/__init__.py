"""Wrong scorers and right ones."""

from mutants.scorers import company, folds, lasting, outside, places, terms
from mutants.scorers.correct import CORRECT

MUTANTS = (*terms.MUTANTS, *folds.MUTANTS, *outside.MUTANTS, *places.MUTANTS, *lasting.MUTANTS, *company.MUTANTS)

__all__ = ["CORRECT", "MUTANTS"]
