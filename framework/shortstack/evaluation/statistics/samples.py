"""A model's values by user and run: the means of the runs, and what each user adds to them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Keys = NDArray[np.uint64]

_SLOPES: Final[Mapping[str, tuple[Callable[[Values], Values], Callable[[Values], Values]]]] = {
    "rmse": (np.sqrt, lambda means: 0.5 / np.sqrt(np.maximum(means, np.finfo(np.float64).tiny)))
}
"""Metric that is a function of a mean → that function, and its derivative."""


@attrs.frozen(kw_only=True, eq=False)
class Totals:
    """Sums and counts of one model's values in one run, by user.

    Attributes:
        keys: uint64 ``(users,)``, ascending: the users with a case that counts.
        sums: float64 ``(users,)``: of the user's values.
        counts: float64 ``(users,)``: of the user's cases.
    """

    keys: Keys
    sums: Values
    counts: Values

    @classmethod
    def of(cls, users: Keys, values: Values) -> "Totals":
        """Add up the values of each user.

        Args:
            users: uint64 ``(cases,)``.
            values: float64 ``(cases,)``; NaN where a case does not count.
        """
        counted = ~np.isnan(values)
        keys, owners = np.unique(users[counted], return_inverse=True)
        sums, counts = (np.bincount(owners, each[counted], len(keys)) for each in (values, np.ones_like(values)))
        return cls(keys=keys, sums=sums.astype(np.float64), counts=counts.astype(np.float64))

    def at(self, keys: Keys) -> "Totals":
        """Return the totals of some of the users, ascending."""
        places = np.searchsorted(self.keys, keys)
        return Totals(keys=keys, sums=self.sums[places], counts=self.counts[places])


@attrs.frozen(kw_only=True, eq=False)
class Sample:
    """Values of one model in several runs.

    Attributes:
        means: float64 ``(runs,)``: the metric in each run.
        influences: float64 ``(users, runs)``: what each user adds to the deviation of a run's metric from that of all users,
            ``(sum − count · mean) / cases``, times the derivative where the metric is a function of the mean. Columns add up
            to 0. Source: Cochran, Sampling Techniques (1977), sections 2.11 and 6.3, on ratios of clusters' totals.
        by_user: float64 ``(users, runs)``: each user's own mean; NaN where the user is not in the run.
    """

    means: Values
    influences: Values
    by_user: Values

    @property
    def users(self) -> int:
        """The number of users of the run with the fewest."""
        return int((~np.isnan(self.by_user)).sum(axis=0).min())

    @classmethod
    def of(cls, totals: Sequence[Totals], metric: str = "") -> "Sample":
        """Gather the totals of several runs, in which a key is one user.

        Args:
            totals: The totals of each run.
            metric: The metric, of which some are functions of a mean.
        """
        keys = np.unique(np.concatenate([each.keys for each in totals]))
        sums, counts = np.zeros((len(keys), len(totals))), np.zeros((len(keys), len(totals)))
        for run, each in enumerate(totals):
            places = np.searchsorted(keys, each.keys)
            sums[places, run], counts[places, run] = each.sums, each.counts
        means = sums.sum(axis=0) / counts.sum(axis=0)
        influences = (sums - counts * means) / counts.sum(axis=0)
        by_user = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        if metric in _SLOPES:
            of_mean, slope = _SLOPES[metric]
            means, influences = of_mean(means), influences * slope(means)
        return cls(means=means, influences=influences, by_user=by_user)
