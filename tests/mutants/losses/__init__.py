"""Wrong losses and right ones."""

from mutants.losses import counting, divergences, outside, remembering, states
from mutants.losses.correct import CORRECT

MUTANTS = (*divergences.MUTANTS, *counting.MUTANTS, *states.MUTANTS, *remembering.MUTANTS, *outside.MUTANTS)

__all__ = ["CORRECT", "MUTANTS"]
