"""Parts of an output: the recommendations of some users, each written whole or not at all."""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count, islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.data.history_check import HistoryCheck
from shortstack.data.questions import answers_frame
from shortstack.data.user_histories import UserHistory
from shortstack.files import written_whole

if TYPE_CHECKING:
    from shortstack.recommender import Recommender

USERS: Final = 1_024
"""Users of a part: a multiple of the users of a batch, so that batches are those of ``recommend_many``."""


@attrs.frozen(kw_only=True)
class PartSettings:
    """What all parts of an output share.

    Attributes:
        folder: The recommender's folder.
        device: Where it computes.
        top: Number of items for each user.
        exclude_seen: As in ``Recommender.recommend_frame``.
        titles: Whether titles are written, too.
        user_type: Name of the users' type in polars.
    """

    folder: Path
    device: str
    top: int
    exclude_seen: bool | None
    titles: bool
    user_type: str


@attrs.frozen(kw_only=True)
class Part:
    """Part of an output.

    Attributes:
        path: Where it is written.
        histories: Its users.
    """

    path: Path
    histories: tuple[UserHistory, ...]


def parts_of(histories: Iterable[UserHistory], folder: Path) -> Iterator[Part]:
    """Yield the parts of an output, in its order.

    Args:
        histories: All users.
        folder: Where parts are written.
    """
    left = iter(histories)
    for number in count():
        some = tuple(islice(left, USERS))
        if not some:
            return
        yield Part(path=folder / _name(number), histories=some)


def part_paths(folder: Path, users: int) -> list[Path]:
    """Return the paths of all parts of an output for a number of users."""
    return [folder / _name(number) for number in range(ceil(users / USERS))]


def _name(number: int) -> str:
    return f"{number:08}.parquet"


def write_part(part: Part, settings: PartSettings) -> int:
    """Compute and write a part; return the number of its users.

    Raises:
        NonFiniteError: The model's logits are NaN or infinite.
        UnwritableError: It cannot be written.
    """
    import polars as pl

    recommender = loaded(settings.folder, settings.device)
    check = HistoryCheck(catalogue=recommender.catalogue)  # what is unknown was counted before any part was made
    places = [check.places(history) for history in part.histories]
    answers = recommender.user_answers(part.histories, places, settings.top, exclude_seen=settings.exclude_seen)
    users = pl.Series([history.user for history in part.histories], dtype=getattr(pl, settings.user_type))
    with written_whole(part.path) as partial:
        answers_frame(users, answers, titles=settings.titles).write_parquet(partial)
    return len(part.histories)


@cache
def loaded(folder: Path, device: str) -> "Recommender":
    """Return the recommender of this process."""
    from shortstack.recommender import Recommender

    return Recommender.from_pretrained(folder, device=device)
