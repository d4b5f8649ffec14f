"""Which interactions train, validate and test: by each user's own end, by one moment for everybody, or as published."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, UnknownNameError

if TYPE_CHECKING:
    from shortstack.data.interactions import Interactions

TRAIN, VALID, TEST = 0, 1, 2
PARTS = ("train", "valid", "test")


@attrs.frozen(kw_only=True)
class LeaveLast:
    """Each user's last interaction is test, the one before valid; users with fewer than 3 stay wholly in train.

    Not free of leaks: others' training interactions may lie after a user's test (Ji et al., arXiv 2010.11060).
    """

    def codes(self, users: NDArray[np.int64], _times: NDArray[np.int64]) -> NDArray[np.int8]:
        """int8 ``(rows,)``: 0 train, 1 valid, 2 test; rows are user after user, oldest first."""
        counts = np.bincount(users)
        ends = np.cumsum(counts)[counts >= 3]
        codes = np.zeros(len(users), dtype=np.int8)
        codes[ends - 2], codes[ends - 1] = VALID, TEST
        return codes


@attrs.frozen(kw_only=True)
class GlobalTime:
    """Everything after one moment is test, the stretch before it valid: the split without leaks across users.

    Equal timestamps never straddle a cut: max(train) < min(valid) and max(valid) < min(test), so that the shares are
    upper bounds only where nothing ties.

    Attributes:
        valid: About this share of interactions, in (0, 1).
        test: About this share of interactions, in (0, 1).
    """

    valid: float = 0.1
    test: float = 0.1

    def __attrs_post_init__(self) -> None:
        if not (0 < self.valid < 1 and 0 < self.test < 1 and self.valid + self.test < 1):
            raise ConfigurationError(
                f"the shares valid = {self.valid:g} and test = {self.test:g} must be above 0 and together below 1"
            )

    def codes(self, _users: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int8]:
        """int8 ``(rows,)``: 0 train, 1 valid, 2 test.

        Raises:
            EmptyDataError: So many timestamps are equal that a part is empty.
        """
        ordered = np.sort(times)
        last = len(times) - 1
        first_valid, first_test = (
            ordered[min(last, int(len(times) * (1 - share) + 1e-9))] for share in (self.valid + self.test, self.test)
        )
        if not ordered[0] < first_valid < first_test:
            raise EmptyDataError(
                f"the split 'global-time' of {len(times):,} interactions leaves train or valid empty, because too many "
                "timestamps are equal; use larger shares, more data, or 'leave-last'"
            )
        return np.where(times >= first_test, TEST, np.where(times >= first_valid, VALID, TRAIN)).astype(np.int8)


@attrs.frozen(kw_only=True)
class Official:
    """The parts that the publisher made.

    Where there are two parts, train and a later one, the later one is test, and each user's last training interaction
    is valid, if there are two before it.
    """

    def codes(self, users: NDArray[np.int64], parts: Sequence[str]) -> NDArray[np.int8]:
        """int8 ``(rows,)``: 0 train, 1 valid, 2 test.

        Args:
            users: int64 ``(rows,)``, user after user, oldest first.
            parts: ``train``, ``valid`` or ``test`` of each row.

        Raises:
            EmptyDataError: There is only one part.
        """
        codes = np.array([PARTS.index(part) for part in parts], dtype=np.int8)
        there = np.unique(codes)
        if len(there) == 1:
            raise EmptyDataError(
                f"the split 'official' has the part {PARTS[there[0]]!r} alone; read the others with it"
            )
        if len(there) == 2:
            codes = np.where(codes == there[0], TRAIN, TEST).astype(np.int8)
            codes[_last_of_train(users, codes)] = VALID
        return codes


def _last_of_train(users: NDArray[np.int64], codes: NDArray[np.int8]) -> NDArray[np.int64]:
    """The last training row of each user that has at least three."""
    rows = np.flatnonzero(codes == TRAIN)
    counts = np.bincount(users[rows])
    return rows[np.cumsum(counts)[counts >= 3] - 1]


Split = LeaveLast | GlobalTime | Official
_SPLITS: Mapping[str, Split] = {"leave-last": LeaveLast(), "global-time": GlobalTime(), "official": Official()}


def named_split(name: str) -> Split:
    """The split of this name, with its defaults.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in _SPLITS:
        raise UnknownNameError("split", name, _SPLITS)
    return _SPLITS[name]


def split(
    interactions: "Interactions", by: str | Split = "leave-last", ratings: NDArray[np.int64] | None = None
) -> Sequences:
    """Every user's items in time order, each marked train, valid or test.

    Args:
        interactions: With timestamps.
        by: A split, or its name.
        ratings: int64 ``(interactions,)``: which option each was rated with, if a model is to learn that.

    Raises:
        DataError: Timestamps are missing.
        EmptyDataError: A part is empty.
        UnknownNameError: No split has this name.
    """
    rule = named_split(by) if isinstance(by, str) else by
    table = interactions.table
    missing = table["timestamp"].null_count()
    if missing:
        raise DataError(
            f"a split into train, valid and test needs the time of every interaction, but {missing:,} of {len(table):,} "
            f"interactions of {interactions.edition.name} have none; name the column of timestamps, or use other data"
        )
    users, times, items = (table[name].to_numpy(writable=True) for name in ("user", "timestamp", "item"))
    if isinstance(rule, Official):
        splits = rule.codes(users, _parts(interactions))
        order = np.lexsort((np.arange(len(users)), splits, users))  # where the parts and the times disagree
        items, splits = items[order], splits[order]
        ratings = None if ratings is None else ratings[order]
    else:
        splits = rule.codes(users, times)
    return Sequences(
        items=items,
        offsets=np.concatenate([[0], np.cumsum(np.bincount(users))]).astype(np.int64),
        splits=splits,
        catalogue_size=len(interactions.items),
        ratings=ratings,
    )


def _parts(interactions: "Interactions") -> Sequence[str]:
    if "split" not in interactions.table.columns:
        raise DataError(
            f"{interactions.edition.name} has no official split, or not all of its parts were read; use 'leave-last' or "
            "'global-time'"
        )
    return interactions.table["split"].to_list()
