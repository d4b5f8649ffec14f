"""Agreement between two rankings of the layers: rank correlations, and the overlap of the kept layers."""

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
    """Return the correlation of the ranks, ties averaged; None where all scores of one ranking are equal.

    >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])), 6)
    0.5
    """
    return _defined(stats.spearmanr, left, right)


def kendall(left: Scores, right: Scores) -> float | None:
    """Return ``τ_b``: concordant less discordant pairs, corrected for ties; None where all scores of one are equal."""
    return _defined(stats.kendalltau, left, right)


CORRELATIONS: Final[dict[str, Callable[[Scores, Scores], float | None]]] = {"spearman": spearman, "kendall": kendall}


def overlaps(left: Scores, right: Scores) -> list[float]:
    """Return, for k = 1 … layers, the share of one's k best that are among the other's k best; ties to the lowest index.

    Its expected value for a random ranking is ``k / layers``.

    >>> overlaps(np.array([3.0, 2.0, 1.0]), np.array([3.0, 1.0, 2.0]))
    [1.0, 0.5, 1.0]
    """
    first, second = best_first(left), best_first(right)
    return [len({*first[:k]} & {*second[:k]}) / k for k in range(1, len(left) + 1)]


def best_first(scores: Scores | Sequence[float]) -> list[int]:
    """Return the layers by falling score, ties to the lowest index.

    >>> best_first([0.1, 0.7, 0.7])
    [1, 2, 0]
    """
    order: list[int] = np.argsort(-np.asarray(scores), kind="stable").tolist()
    return order


def with_oracle(
    scores: Scores, drops: Values, measure: Callable[[Scores, Scores], float | None], resamples: int, seed: int
) -> Estimate | None:
    """Return the agreement with the oracle; its interval is over the examples that the oracle was measured on.

    None where it is undefined, or there is only one example.

    Args:
        scores: ``(layers,)``.
        drops: ``(examples, layers)``: the change of each example's value when a layer is left out.
        measure: One of ``CORRELATIONS``.
        resamples: Number of bootstrap resamples of the interval.
        seed: Seed of the resamples.
    """
    value = measure(scores, drops.mean(0))
    if value is None or len(drops) < 2:
        return None
    means = resampled_means(drops, np.arange(len(drops)), resamples, seed)
    resampled = [measure(scores, mean) for mean in means]
    ends = interval(np.array([np.nan if correlation is None else correlation for correlation in resampled]))
    return None if ends is None else (value, *ends)


def _defined(measure: Callable[..., tuple[float, float]], left: Scores, right: Scores) -> float | None:
    # SciPy would warn and return NaN
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(measure(left, right)[0])
