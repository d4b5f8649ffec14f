"""Percentile bootstrap over users: the cases of one user are drawn together.

Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 (clusters) and 13 (percentiles).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Values = NDArray[np.float64]

LEVEL = 0.95
"""Confidence level: the share of resamples inside an interval."""

_BLOCK = 64  # resamples drawn at once: bounds the memory, and is part of what a seed means


def resampled_means(values: Values, users: NDArray[np.int64], resamples: int, seed: int) -> Values:
    """Return the mean of each column over resampled users.

    The draws depend on the number of users, ``resamples`` and ``seed`` alone: columns, and calls, that share these
    are paired.

    Args:
        values: ``(cases, columns)``; NaN where a case does not count towards a column.
        users: ``(cases,)``, the user of each case.
        resamples: Number of draws of the users, with replacement.
        seed: Seed of the draws.

    Returns:
        ``(resamples, columns)``; NaN where a resample holds no case that counts.
    """
    # a mean over resampled users needs their sums and counts alone, not their cases
    sums, counts = _totals_by_user(values, users)
    blocks = [(weights @ sums, weights @ counts) for weights in _weights(len(sums), resamples, seed)]
    total, count = (np.concatenate(part) for part in zip(*blocks, strict=True))
    means: Values = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return means


def interval(means: Values) -> tuple[float, float] | None:
    """Return the 2.5 % and 97.5 % quantiles of resampled values, without NaN; None if all are NaN.

    >>> [round(bound, 6) for bound in interval(np.arange(101.0))]
    [2.5, 97.5]
    """
    defined = means[np.isfinite(means)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _totals_by_user(values: Values, users: NDArray[np.int64]) -> tuple[Values, Values]:
    """Return sums and counts of the values that are not NaN, both ``(users, columns)``."""
    distinct, owner = np.unique(users, return_inverse=True)
    shape = (len(distinct), len(users))
    by_user = csr_array((np.ones(len(users)), (owner, np.arange(len(users)))), shape=shape)
    counted = ~np.isnan(values)
    return by_user @ np.where(counted, values, 0.0), by_user @ counted.astype(np.float64)


def _weights(users: int, resamples: int, seed: int) -> Iterator[Values]:
    """Yield the number of times that each user was drawn, in blocks ``(resamples, users)``."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        # an offset for each row, so that one bincount counts the whole block
        drawn = generator.integers(users, size=(rows, users)) + np.arange(rows)[:, None] * users
        yield np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users).astype(np.float64)
