"""Linear interpolation of a value over the optimiser steps of a training."""


def part_done(number: int, steps: int) -> float:
    """Return how far along a training a step lies: 0 for the first, 1 for the last.

    >>> [part_done(number, 5) for number in (1, 2, 5)]
    [0.0, 0.25, 1.0]

    Args:
        number: Number of the step, from 1.
        steps: Number of steps of the whole training.
    """
    return min((number - 1) / max(steps - 1, 1), 1.0)


def between(start: float, end: float, part: float) -> float:
    """Return the value a part of the way from ``start`` to ``end``; exactly those at 0 and 1, and where they are equal."""
    return end if part == 1 else start + part * (end - start)
