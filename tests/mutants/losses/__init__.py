"""Wrong losses and right ones."""

from mutants.losses import caching, counting, divergences, edges, outside, remembering, states
from mutants.losses.correct import CORRECT

MUTANTS = (
    *divergences.MUTANTS,
    *counting.MUTANTS,
    *states.MUTANTS,
    *remembering.MUTANTS,
    *caching.MUTANTS,
    *edges.MUTANTS,
    *outside.MUTANTS,
)

__all__ = ["CORRECT", "MUTANTS"]
