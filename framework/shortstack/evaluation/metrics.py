"""Ranks and what they are worth: mid-ranks, hit rate, NDCG and reciprocal rank."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def mid_ranks(scores: "Tensor", target_scores: "Tensor") -> "Tensor":
    """The target's rank among its candidates: ``1 + #greater + #equal / 2``, the target itself not counted.

    A ranker that scores everything alike puts the target in the middle, not first.

    Args:
        scores: ``(cases, candidates)``, one column of each row the target's own; −inf where a candidate is ruled out.
        target_scores: ``(cases,)``, finite.

    Returns:
        float64 ``(cases,)``, from 1.

    >>> import torch
    >>> mid_ranks(torch.tensor([[3.0, 2.0, 2.0, 1.0]]), torch.tensor([2.0])).tolist()
    [2.5]
    """
    own = target_scores[:, None]
    greater = (scores > own).sum(dim=1)
    equal = (scores == own).sum(dim=1) - 1
    return 1.0 + greater.double() + equal.double() / 2


def hit(ranks: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """``HR@k = [rank ≤ k]``, one value a case."""
    return (ranks <= cutoff).astype(np.float64)


def ndcg(ranks: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """``NDCG@k = [rank ≤ k] / log2(rank + 1)``: with one right answer the ideal gain is 1."""
    return hit(ranks, cutoff) / np.log2(ranks + 1)


def reciprocal_rank(ranks: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """``MRR@k = [rank ≤ k] / rank``, one value a case."""
    return hit(ranks, cutoff) / ranks


METRICS = {"hr": hit, "ndcg": ndcg, "mrr": reciprocal_rank}
"""The ranking metrics by the names they have in ``result.json``."""


def metric_values(ranks: NDArray[np.float64], cutoffs: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Every metric at every cutoff, one value a case: ``{"hr@1": (cases,), …, "mrr@20": (cases,)}``."""
    return {f"{name}@{k}": metric(ranks, k) for name, metric in METRICS.items() for k in cutoffs}
