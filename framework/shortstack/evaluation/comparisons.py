"""The comparisons that every result holds: which method against which, as a ratio or a difference."""

from collections.abc import Mapping

from shortstack.contracts.headlines import HEADLINES
from shortstack.evaluation.evaluator import Estimate, Evaluation, RecommendationEvaluator

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
    ("student", "markov"),
    ("student", "item-knn"),
    ("student", "popularity"),
    ("teacher", "scratch"),
    ("teacher", "markov"),
    ("teacher", "item-knn"),
    ("teacher", "popularity"),
)


def standard_comparisons(
    evaluator: RecommendationEvaluator, evaluations: Mapping[str, Evaluation]
) -> dict[str, dict[str, Estimate | None]]:
    """Compare the methods that are there, paired over users.

    Args:
        evaluator: Whose resamples are used.
        evaluations: Method → its evaluation, all of the same cases.

    Returns:
        ``{"student/teacher": {"ndcg@10": (value, low, high), …}, "student-scratch": …}``, None where undefined.
    """
    found: dict[str, dict[str, Estimate | None]] = {}
    for first, second in dict.fromkeys((*RATIOS, *DIFFERENCES)):
        if first not in evaluations or second not in evaluations:
            continue
        both = evaluator.compare_all(evaluations[first], evaluations[second], HEADLINES)
        if (first, second) in RATIOS:
            found[f"{first}/{second}"] = {metric: comparison.ratio for metric, comparison in both.items()}
        if (first, second) in DIFFERENCES:
            found[f"{first}-{second}"] = {metric: comparison.difference for metric, comparison in both.items()}
    return found
