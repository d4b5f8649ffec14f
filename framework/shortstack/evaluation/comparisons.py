"""The standard comparisons of a result: ratios and differences of pairs of methods."""

from collections.abc import Mapping, Sequence

from shortstack.contracts.headlines import BASELINES
from shortstack.evaluation.evaluation import Estimate, Evaluation, compare_all

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


def standard_comparisons(
    evaluations: Mapping[str, Evaluation], metrics: Sequence[str], baselines: Sequence[str] = BASELINES
) -> dict[str, dict[str, Estimate | None]]:
    """Compare the available methods, paired over users.

    Args:
        evaluations: Method → its evaluation, all of the same cases.
        metrics: Metrics to compare.
        baselines: Names of the untrained baselines.

    Returns:
        ``{"student/teacher": {"ndcg@10": (value, low, high), …}, "student-scratch": …}``, None if undefined.
    """
    comparisons: dict[str, dict[str, Estimate | None]] = {}
    differences = [*DIFFERENCES, *((model, baseline) for model in ("student", "teacher") for baseline in baselines)]
    for first, second in dict.fromkeys((*RATIOS, *differences)):  # some pairs are in both
        if first not in evaluations or second not in evaluations:
            continue
        both = compare_all(evaluations[first], evaluations[second], metrics)
        if (first, second) in RATIOS:
            comparisons[f"{first}/{second}"] = {metric: comparison.ratio for metric, comparison in both.items()}
        if (first, second) in differences:
            comparisons[f"{first}-{second}"] = {metric: comparison.difference for metric, comparison in both.items()}
    return comparisons
