"""Mid-ranks, and metrics of ranks: hit rate, NDCG and reciprocal rank."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def mid_ranks(scores: "Tensor", target_scores: "Tensor") -> "Tensor":
    """Return the target's rank among its candidates: ``1 + #greater + #equal / 2``, the target itself not counted.

    So a ranker that gives all items the same score puts the target in the middle, not first.

    Args:
        scores: ``(cases, candidates)``, with the target's own column in each row; −inf where a candidate is excluded.
        target_scores: ``(cases,)``, finite.

    Returns:
        float64 ``(cases,)``, from 1.

    >>> import torch
    >>> mid_ranks(torch.tensor([[3.0, 2.0, 2.0, 1.0]]), torch.tensor([2.0])).tolist()
    [2.5]
    """
    import torch

    target = target_scores[:, None]
    # counted in 32 bits, of which torch makes a copy as large as the scores; in 64 bits it would be twice as large
    greater, equal = (found.sum(dim=1, dtype=torch.int32) for found in (scores > target, scores == target))
    return 1.0 + greater.double() + (equal.double() - 1) / 2


def hit(ranks: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """Return ``HR@k = [rank ≤ k]`` for each case.

    >>> hit(np.array([1.0, 3.5]), cutoff=3).tolist()
    [1.0, 0.0]
    """
    return (ranks <= cutoff).astype(np.float64)


def ndcg(ranks: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """Return ``NDCG@k = [rank ≤ k] / log2(rank + 1)`` for each case: with one target the ideal gain is 1.

    >>> ndcg(np.array([1.0, 3.0, 11.0]), cutoff=10).tolist()
    [1.0, 0.5, 0.0]
    """
    return hit(ranks, cutoff) / np.log2(ranks + 1)


def reciprocal_rank(ranks: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """Return ``MRR@k = [rank ≤ k] / rank`` for each case.

    >>> reciprocal_rank(np.array([2.0, 11.0]), cutoff=10).tolist()
    [0.5, 0.0]
    """
    return hit(ranks, cutoff) / ranks


METRICS = {"hr": hit, "ndcg": ndcg, "mrr": reciprocal_rank}
"""Ranking metrics by their names in ``result.json``."""


def metric_values(ranks: NDArray[np.float64], cutoffs: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Return every metric at every cutoff for each case: ``{"hr@1": (cases,), …, "mrr@20": (cases,)}``."""
    return {f"{name}@{k}": metric(ranks, k) for name, metric in METRICS.items() for k in cutoffs}
