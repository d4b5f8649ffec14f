"""Names that columns of interactions usually have, by which the role of a column is proposed."""

from collections.abc import Iterable, Mapping
from typing import Final

USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id", "userId", "uid", "visitorid", "customer", "customer_id", "reviewerID"),
    "item": (
        "item",
        "item_id",
        "itemId",
        "iid",
        "movie_id",
        "movieId",
        "product",
        "product_id",
        "parent_asin",
        "asin",
        "business_id",
    ),
    "rating": ("rating", "stars", "overall", "score"),
    "timestamp": ("timestamp", "time", "date", "datetime", "when", "unixReviewTime"),
    "title": ("title", "name"),
    "category": ("category", "categories", "genre", "genres"),
}
"""Usual names of the columns, by role."""


def usual_columns(names: Iterable[str]) -> dict[str, str]:
    """Return the column of each role that has one with a usual name, whatever its case and punctuation.

    >>> usual_columns(["User ID", "movieId", "stars", "note"])
    {'user': 'User ID', 'item': 'movieId', 'rating': 'stars'}
    """
    by_letters = {_letters(name): name for name in reversed(list(names))}
    chosen = {role: next(filter(by_letters.get, map(_letters, usual)), "") for role, usual in USUAL.items()}
    return {role: by_letters[letters] for role, letters in chosen.items() if letters}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
