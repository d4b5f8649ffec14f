"""Per-case metrics of a model, with their means and intervals."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.evaluation.bootstrap import Values, interval, resampled_means
from shortstack.evaluation.calibration_curve import CalibrationCurve


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Evaluation:
    """Every metric on every case.

    Attributes:
        values: Metric → float64 ``(cases,)``; NaN where the case does not count towards the metric.
        users: int64 ``(cases,)``.
        targets: int64 ``(cases,)``: with ``users``, identifies the cases, so that only evaluations of the same are
            compared.
        resamples: Number of bootstrap resamples of an interval.
        seed: Seed of the resamples.
        of_means: Metric → function of the mean over cases: the root, for a root mean square.
        calibration: Confidence against accuracy, for models that give probabilities of ratings.
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
        """Counts for the record."""
        return {"evaluated": len(self.users), "users": len(np.unique(self.users))}

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """Mean of each metric over its cases; None if it has no cases."""
        return {name: self._finished(name, _mean(values)) for name, values in self.values.items()}

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """95 % bootstrap interval of each metric over users; None if the metric is None."""
        means = self.resampled(list(self.values))
        return {name: interval(means[:, column]) for column, name in enumerate(self.values)}

    def resampled(self, metrics: Sequence[str]) -> Values:
        """Return each metric over resampled users, ``(resamples, metrics)``."""
        columns = np.column_stack([self.values[name] for name in metrics])
        means = resampled_means(columns, self.users, self.resamples, self.seed)
        for column, name in enumerate(metrics):
            if name in self.of_means:
                means[:, column] = self.of_means[name](means[:, column])
        return means

    def _finished(self, name: str, mean: float | None) -> float | None:
        return mean if mean is None or name not in self.of_means else float(self.of_means[name](np.array(mean)))


def _mean(values: Values) -> float | None:
    """Return the mean without NaN; None if all values are NaN.

    >>> _mean(np.array([1.0, np.nan, 2.0]))
    1.5
    """
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else None
