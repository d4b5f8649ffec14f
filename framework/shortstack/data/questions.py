"""Questions to a recommender, checks of what is given in them, and its answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.data.user_histories import USER
from shortstack.errors import ConfigurationError

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


def require_count(name: str, value: object) -> None:
    """Raise unless an argument is a whole number from 1.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number from 1, got {value!r}")


def require_choice(name: str, value: object) -> None:
    """Raise unless an argument is True, False or None.

    Raises:
        ConfigurationError: It is none of these.
    """
    # of NumPy's truth values too, which are no bool
    if value is not None and value not in (True, False):
        raise ConfigurationError(f"{name} must be True, False or None, got {value!r}")


def on_scale(history: Sequence[tuple[str, float]], scale: Mapping[float, int]) -> Iterator[tuple[str, float]]:
    """Yield the pairs of a history that a model rates by.

    Raises:
        ConfigurationError: One is no pair of a name and a rating, or its rating is not on the scale.
    """
    if not isinstance(history, Iterable):
        raise ConfigurationError(f"a history is pairs of a title or id and a rating, a number, got {history!r}")
    for pair in history:
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2
        if not is_pair or not isinstance(pair[1], Real) or isinstance(pair[1], bool):
            raise ConfigurationError(f"a history is pairs of a title or id and a rating, a number, got {pair!r}")
        if pair[1] not in scale:
            raise ConfigurationError(f"{pair[1]:g} is not on the scale {', '.join(f'{value:g}' for value in scale)}")
        yield pair[0], pair[1]


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
