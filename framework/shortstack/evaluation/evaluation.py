"""What a model did on each case, what follows from it, and how two of them compare."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.evaluation.bootstrap import Values, interval, resampled_means
from shortstack.evaluation.calibration_curve import CalibrationCurve

Estimate = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Evaluation:
    """Every metric on every case.

    Attributes:
        values: Metric → float64 ``(cases,)``; NaN where the case does not count towards the metric.
        users: int64 ``(cases,)``.
        targets: int64 ``(cases,)``: with ``users``, what tells whether two evaluations are of the same cases.
        resamples: How many bootstrap resamples an interval rests on.
        seed: Of the resamples.
        of_means: Metric → what is done to the mean over cases: the root, for a root mean square.
        calibration: Confidence against accuracy, of who gives probabilities of ratings.
    """

    values: Mapping[str, Values]
    users: NDArray[np.int64]
    targets: NDArray[np.int64]
    resamples: int
    seed: int
    of_means: Mapping[str, Callable[[Values], Values]] = attrs.field(factory=dict)
    calibration: CalibrationCurve | None = None

    @property
    def facts(self) -> dict[str, int]:
        """How many cases there are, for the record."""
        return {"evaluated": len(self.users), "users": len(np.unique(self.users))}

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """The mean of each metric over its cases; None where there are none."""
        return {name: self._finished(name, _mean(values)) for name, values in self.values.items()}

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """The 95 % bootstrap interval of each metric over users; None where the metric is."""
        means = self.resampled(list(self.values))
        return {name: interval(means[:, column]) for column, name in enumerate(self.values)}

    def resampled(self, metrics: Sequence[str]) -> Values:
        """``(resamples, metrics)``: each metric over resampled users."""
        columns = np.column_stack([self.values[name] for name in metrics])
        means = resampled_means(columns, self.users, self.resamples, self.seed)
        for column, name in enumerate(metrics):
            if name in self.of_means:
                means[:, column] = self.of_means[name](means[:, column])
        return means

    def _finished(self, name: str, mean: float | None) -> float | None:
        return mean if mean is None or name not in self.of_means else float(self.of_means[name](np.array(mean)))


@attrs.frozen(kw_only=True)
class Comparison:
    """One metric of two models on the same cases, each estimate as (value, low, high).

    Attributes:
        ratio: The first over the second; None where the second is 0 or either is undefined.
        difference: The first minus the second; None where either is undefined.
    """

    ratio: Estimate | None
    difference: Estimate | None


def compare_all(first: Evaluation, second: Evaluation, metrics: Sequence[str]) -> dict[str, Comparison]:
    """Compare two models on several metrics, paired: both see the same resampled users.

    Raises:
        UnknownNameError: There is no such metric.
        ConfigurationError: The evaluations are not of the same cases, or not resampled alike.
    """
    if not (np.array_equal(first.users, second.users) and np.array_equal(first.targets, second.targets)):
        raise ConfigurationError("only evaluations of the same cases can be compared, and these differ")
    if (first.resamples, first.seed) != (second.resamples, second.seed):
        raise ConfigurationError(
            "only evaluations of one seed and one number of resamples are paired, and these differ"
        )
    for metric in metrics:
        if metric not in first.values:
            raise UnknownNameError("metric", metric, first.values)
    firsts, seconds = first.resampled(metrics), second.resampled(metrics)
    return {
        metric: _comparison(first.metrics[metric], second.metrics[metric], firsts[:, i], seconds[:, i])
        for i, metric in enumerate(metrics)
    }


def _mean(values: Values) -> float | None:
    """The mean over the cases that count, None if none does."""
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else None


def _comparison(first: float | None, second: float | None, firsts: Values, seconds: Values) -> Comparison:
    """Ratio and difference of two means, with intervals from their paired resamples."""
    if first is None or second is None:
        return Comparison(ratio=None, difference=None)
    ratios = np.divide(firsts, seconds, out=np.full_like(firsts, np.nan), where=seconds != 0)
    return Comparison(
        ratio=_estimate(first / second, ratios) if second else None,
        difference=_estimate(first - second, firsts - seconds),
    )


def _estimate(value: float, resampled: Values) -> Estimate | None:
    """A value with its interval."""
    ends = interval(resampled)
    return None if ends is None else (value, *ends)
