"""Comparisons of two models, paired over users, and the standard ones of a result: ratios and differences with intervals."""

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from shortstack.contracts.headlines import BASELINES
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.evaluation.bootstrap import Values, interval
from shortstack.evaluation.evaluation import Evaluation

Estimate = tuple[float, float, float]
"""A value and the bounds of its 95 % interval."""

RATIOS = (
    ("student", "teacher"),
    ("scratch", "teacher"),
    ("pruned", "teacher"),
    ("teacher", "popularity"),
    ("student", "popularity"),
)
DIFFERENCES = (
    ("student", "teacher"),
    ("student", "scratch"),
    ("student", "pruned"),
    *(("student", baseline) for baseline in reversed(BASELINES)),
    ("teacher", "scratch"),
    *(("teacher", baseline) for baseline in reversed(BASELINES)),
)


@attrs.frozen(kw_only=True)
class Comparison:
    """One metric of two models on the same cases, each estimate as (value, low, high).

    Attributes:
        ratio: The first over the second; None if the second is 0 or either is undefined.
        difference: The first minus the second; None if either is undefined.
    """

    ratio: Estimate | None
    difference: Estimate | None


def compare_all(first: Evaluation, second: Evaluation, metrics: Sequence[str]) -> dict[str, Comparison]:
    """Compare two models on several metrics, paired: both are resampled with the same users.

    Raises:
        UnknownNameError: There is no such metric.
        ConfigurationError: The evaluations are not of the same cases, or were resampled differently.
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


def standard_comparisons(
    evaluations: Mapping[str, Evaluation],
    metrics: Sequence[str],
    baselines: Sequence[str] = BASELINES,
    compressed: Sequence[str] = (),
) -> dict[str, dict[str, Estimate | None]]:
    """Compare the available methods, paired over users.

    Args:
        evaluations: Method → its evaluation, all of the same cases.
        metrics: Metrics to compare.
        baselines: Names of the baselines, in addition to the built-in ones.
        compressed: Names of compressed models, such as ``"student int8"``; each is compared with the teacher, and with the
            model that was compressed.

    Returns:
        ``{"student/teacher": {"ndcg@10": (value, low, high), …}, "student-scratch": …}``, None if undefined.
    """
    comparisons: dict[str, dict[str, Estimate | None]] = {}
    differences = [*DIFFERENCES, *((model, baseline) for model in ("student", "teacher") for baseline in baselines)]
    of_compressed = [
        (name, whole) for name in compressed for whole in dict.fromkeys(("teacher", name.partition(" ")[0]))
    ]
    ratios = {*RATIOS, *of_compressed}
    for first, second in dict.fromkeys((*RATIOS, *of_compressed, *differences)):  # some pairs are in both
        if first not in evaluations or second not in evaluations:
            continue
        both = compare_all(evaluations[first], evaluations[second], metrics)
        if (first, second) in ratios:
            comparisons[f"{first}/{second}"] = {metric: comparison.ratio for metric, comparison in both.items()}
        if (first, second) in differences:
            comparisons[f"{first}-{second}"] = {metric: comparison.difference for metric, comparison in both.items()}
    return comparisons


def _comparison(first: float | None, second: float | None, firsts: Values, seconds: Values) -> Comparison:
    """Return ratio and difference of two means, with intervals from their paired resamples."""
    if first is None or second is None:
        return Comparison(ratio=None, difference=None)
    ratios = np.divide(firsts, seconds, out=np.full_like(firsts, np.nan), where=seconds != 0)
    return Comparison(
        ratio=_estimate(first / second, ratios) if second else None,
        difference=_estimate(first - second, firsts - seconds),
    )


def _estimate(value: float, resampled: Values) -> Estimate | None:
    """Return a value with its interval."""
    ends = interval(resampled)
    return None if ends is None else (value, *ends)
