"""Wrong losses and right ones."""

from mutants.losses import caching, counting, divergences, edges, outside, relations, remembering, states
from mutants.losses.correct import CORRECT

MUTANTS = (
    *divergences.MUTANTS,
    *counting.MUTANTS,
    *states.MUTANTS,
    *relations.MUTANTS,
    *remembering.MUTANTS,
    *caching.MUTANTS,
    *edges.MUTANTS,
    *outside.MUTANTS,
)

__all__ = ["CORRECT", "MUTANTS"]
