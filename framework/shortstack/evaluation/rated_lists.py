"""Ranking metrics of each user's rated items, over users with different ratings."""

from collections.abc import Iterator
from math import comb

import numpy as np
from numpy.typing import NDArray

from shortstack.evaluation.bootstrap import Values

CUTOFFS = (5, 10)


def rated_lists(predicted: Values, gains: Values, users: NDArray[np.int64]) -> dict[str, Values]:
    """Return ``ndcg@5``, ``ndcg@10`` and ``mrr`` of each user's items, ordered by the predictions.

    NDCG has the rating itself as gain (Järvelin & Kekäläinen 2002, with log2); MRR is of the first item with the user's
    highest rating. Items with equal predictions have the expected value over all their orders.

    Args:
        predicted: float64 ``(cases,)``.
        gains: float64 ``(cases,)``: the ratings; none below 0.
        users: int64 ``(cases,)``.

    Returns:
        Metric → float64 ``(cases,)``: a user's value at the first of the user's cases, NaN elsewhere, and for users with
        one item or with equal ratings; empty if there are no other users.
    """
    metrics = {name: np.full(len(users), np.nan) for name in (*(f"ndcg@{k}" for k in CUTOFFS), "mrr")}
    counted = False
    for cases in _cases_of_users(users):
        ratings, values = gains[cases], predicted[cases]
        if ratings.min() == ratings.max():  # every order of equal ratings is perfect
            continue
        counted = True
        for k in CUTOFFS:
            metrics[f"ndcg@{k}"][cases[0]] = (ratings @ _discounts(values, k)) / (ratings @ _discounts(ratings, k))
        metrics["mrr"][cases[0]] = _reciprocal_rank(values, ratings == ratings.max())
    return metrics if counted else {}


def _cases_of_users(users: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of each user's cases, in their order.

    >>> [cases.tolist() for cases in _cases_of_users(np.array([7, 3, 7]))]
    [[1], [0, 2]]
    """
    order = np.argsort(users, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(users[order])) + 1) if len(order) else ()


def _discounts(values: Values, k: int) -> Values:
    """Return the discount of each item's gain when ordered by these values: the mean over the orders of ties.

    >>> _discounts(np.array([3.0, 1.0, 3.0]), 2).round(3).tolist()
    [0.815, 0.0, 0.815]
    """
    ranks = np.arange(len(values))
    each = np.where(ranks < k, 1 / np.log2(ranks + 2), 0.0)
    _, groups = np.unique(-values, return_inverse=True)
    sums = np.bincount(np.sort(groups), weights=each)
    means: Values = (sums / np.bincount(groups))[groups]
    return means


def _reciprocal_rank(values: Values, best: NDArray[np.bool_]) -> float:
    """Return the expected reciprocal rank of the first of the best items, over the orders of ties.

    >>> _reciprocal_rank(np.array([2.0, 2.0, 1.0]), np.array([True, False, True]))
    0.75
    """
    first = values[best].max()
    before, tied, right = (values > first).sum(), int((values == first).sum()), int((best & (values == first)).sum())
    ways = [comb(tied - place - 1, right - 1) for place in range(tied - right + 1)]
    return float(sum(way / (before + place + 1) for place, way in enumerate(ways)) / comb(tied, right))
