"""Synthetic studies: two models whose metrics depend on the user, the seed, and both together."""

import numpy as np

from shortstack.evaluation.statistics.samples import Totals


def totals(values):
    """Return the totals of each run of ``(users, runs)`` values, one case for each user; NaN for a user who is not there."""
    keys = np.arange(len(values), dtype=np.uint64)
    return [Totals.of(keys, column) for column in values.T]


def models(generator, *, users, seeds, of_user=1.0, of_seed=0.3, rest=1.0, mean=1.0, lost=0.0, studies=None):
    """Draw the values of two models, ``(users, seeds)``, of which the first has ``lost`` less on average.

    They share what makes a user easy; the deviations are those of their difference. With a number of studies, that is the
    first axis of both.
    """
    size = () if studies is None else (studies,)
    shared = generator.exponential(1.0, (*size, users, 1))
    noise = of_user * generator.standard_normal((*size, users, 1)) + of_seed * generator.standard_normal(
        (*size, 1, seeds)
    )
    second = mean - 1 + shared + np.zeros((*size, 1, seeds))
    return second - lost + noise + rest * generator.standard_normal((*size, users, seeds)), second
