"""Agreement between two orders of the layers: rank correlations, and how much of what is kept is the same."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shortstack.evaluation.bootstrap import Values, interval, resampled_means

Scores = NDArray[np.float64]
Estimate = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""


def spearman(left: Scores, right: Scores) -> float | None:
    """The correlation of the ranks, ties shared; None where all scores of one are equal."""
    return _defined(stats.spearmanr, left, right)


def kendall(left: Scores, right: Scores) -> float | None:
    """``τ_b``: concordant less discordant pairs, corrected for ties; None where all scores of one are equal."""
    return _defined(stats.kendalltau, left, right)


CORRELATIONS: Final[dict[str, Callable[[Scores, Scores], float | None]]] = {"spearman": spearman, "kendall": kendall}


def overlaps(left: Scores, right: Scores) -> list[float]:
    """For k = 1 … layers, the share of the k best of one that are among the k best of the other; ties to the lowest.

    By chance it is ``k / layers``.

    >>> overlaps(np.array([3.0, 2.0, 1.0]), np.array([3.0, 1.0, 2.0]))
    [1.0, 0.5, 1.0]
    """
    first, second = best_first(left), best_first(right)
    return [len({*first[:k]} & {*second[:k]}) / k for k in range(1, len(left) + 1)]


def best_first(scores: Scores | Sequence[float]) -> list[int]:
    """The layers by falling score, ties to the lowest index."""
    order: list[int] = np.argsort(-np.asarray(scores), kind="stable").tolist()
    return order


def with_oracle(
    scores: Scores, drops: Values, measure: Callable[[Scores, Scores], float | None], resamples: int, seed: int
) -> Estimate | None:
    """An agreement with the oracle; the interval is over the examples that the oracle was measured on.

    None where it is undefined, or there is one example alone, which says nothing about others.

    Args:
        scores: ``(layers,)``.
        drops: ``(examples, layers)``: what leaving each layer out cost each example.
        measure: One of ``CORRELATIONS``.
        resamples: How many bootstrap resamples the interval rests on.
        seed: Of the resamples.
    """
    value = measure(scores, drops.mean(0))
    if value is None or len(drops) < 2:
        return None
    means = resampled_means(drops, np.arange(len(drops)), resamples, seed)
    found = [measure(scores, mean) for mean in means]
    ends = interval(np.array([np.nan if one is None else one for one in found]))
    return None if ends is None else (value, *ends)


def _defined(measure: Callable[..., tuple[float, float]], left: Scores, right: Scores) -> float | None:
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(measure(left, right)[0])
