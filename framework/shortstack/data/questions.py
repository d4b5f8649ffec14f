"""Questions to a recommender, and its answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.data.user_histories import USER

if TYPE_CHECKING:
    import polars as pl
    from torch import Tensor


@attrs.frozen(kw_only=True)
class Recommendation:
    """Recommended item.

    Attributes:
        id: The item's id in the source.
        title: The item's title; empty if unknown.
        score: Log-probability among all items of the catalogue, in nats.
    """

    id: str
    title: str
    score: float


@attrs.frozen(kw_only=True)
class Question:
    """Question to a recommender: what comes after a history?

    Attributes:
        history: Titles or ids, oldest first.
        k: Number of items.
        exclude_seen: True to leave out items of the history; None as the recommender's ``seen`` says.
        candidates: Titles or ids of the only items to rank; None for all.
        categories: Only items of one of these categories; empty for all. Of ``Action|Comedy``, each part is one.
    """

    history: Sequence[str]
    k: int = 10
    exclude_seen: bool | None = None
    candidates: Sequence[str] | None = None
    categories: Sequence[str] = ()


@attrs.frozen(kw_only=True, eq=False)
class FoundQuestion:
    """Question whose names were all found.

    Attributes:
        history: Dense ids of the items, oldest first.
        k: Number of items.
        left_out: Dense ids of items that are not recommended.
        ranked: Dense ids of the only items to rank, int64, ascending, on the CPU; None for all.
    """

    history: Sequence[int]
    k: int
    left_out: Sequence[int]
    ranked: "Tensor | None"


def answers_frame(
    users: "pl.Series", answers: Sequence[Sequence[Recommendation]], *, titles: bool = False
) -> "pl.DataFrame":
    """Return users with their recommendations, the best first, as a frame."""
    import polars as pl

    columns: dict[str, Any] = {
        "items": pl.Series([[one.id for one in answer] for answer in answers], dtype=pl.List(pl.String)),
        "scores": pl.Series([[one.score for one in answer] for answer in answers], dtype=pl.List(pl.Float32)),
    }
    if titles:
        named = [[one.title for one in answer] for answer in answers]
        columns["titles"] = pl.Series(named, dtype=pl.List(pl.String))
    return pl.DataFrame({USER: users, **columns})
