"""Percentile bootstrap over users: the cases of one user are drawn together.

Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 (clusters) and 13 (percentiles).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Values = NDArray[np.float64]

LEVEL = 0.95
"""The share of resamples that an interval holds."""

_BLOCK = 64  # resamples drawn at once: bounds the memory, and is part of what a seed means


def resampled_means(values: Values, users: NDArray[np.int64], resamples: int, seed: int) -> Values:
    """The means of each column over resampled users.

    The draws depend on the number of users, ``resamples`` and ``seed`` alone: columns, and calls, that share these
    are paired.

    Args:
        values: ``(cases, columns)``; NaN where a case does not count towards a column.
        users: ``(cases,)``, the user of each case.
        resamples: How many times the users are drawn, with replacement.
        seed: Of the draws.

    Returns:
        ``(resamples, columns)``; NaN where a resample holds no case that counts.
    """
    sums, counts = _totals_by_user(values, users)
    blocks = [(weights @ sums, weights @ counts) for weights in _weights(len(sums), resamples, seed)]
    total, count = (np.concatenate(part) for part in zip(*blocks, strict=True))
    means: Values = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return means


def interval(means: Values) -> tuple[float, float] | None:
    """The middle 95 % of resampled values; resamples without a value are left out, None if there are no others."""
    defined = means[np.isfinite(means)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _totals_by_user(values: Values, users: NDArray[np.int64]) -> tuple[Values, Values]:
    """Sums and counts of the values that are not NaN, both ``(users, columns)``."""
    distinct, owner = np.unique(users, return_inverse=True)
    shape = (len(distinct), len(users))
    by_user = csr_array((np.ones(len(users)), (owner, np.arange(len(users)))), shape=shape)
    counted = ~np.isnan(values)
    return by_user @ np.where(counted, values, 0.0), by_user @ counted.astype(np.float64)


def _weights(users: int, resamples: int, seed: int) -> Iterator[Values]:
    """How often each user was drawn, ``(block, users)`` at a time."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        drawn = generator.integers(users, size=(rows, users)) + np.arange(rows)[:, None] * users
        yield np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users).astype(np.float64)
