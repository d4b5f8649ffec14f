"""Splits into train, valid and test: by users' last interactions, by one time for all, at random, or as published."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.config.given import Given
from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, UnknownNameError
from shortstack.registry.isolation import plugin_errors, written_in

if TYPE_CHECKING:
    from shortstack.data.interactions import Interactions

TRAIN, VALID, TEST = 0, 1, 2
PARTS = ("train", "valid", "test")
ORDERS = ("time", "file")


@attrs.frozen(kw_only=True)
class LeaveLast:
    """Each user's last interaction is test, the one before valid; users with fewer than 3 are entirely in train.

    Not free of leaks: others' training interactions may lie after a user's test (Ji et al., arXiv 2010.11060).
    """

    def codes(self, users: NDArray[np.int64], _times: NDArray[np.int64]) -> NDArray[np.int8]:
        """Mark each interaction, int8 ``(rows,)``: 0 train, 1 valid, 2 test; rows are user after user, oldest first."""
        counts = np.bincount(users)
        ends = np.cumsum(counts)[counts >= 3]
        codes = np.zeros(len(users), dtype=np.int8)
        codes[ends - 2], codes[ends - 1] = VALID, TEST
        return codes


@attrs.frozen(kw_only=True)
class GlobalTime:
    """Interactions after one time are test, those of the period before it valid: the split without leaks across users.

    Equal timestamps are never on both sides of a cut: max(train) < min(valid) and max(valid) < min(test), so the shares
    are approximate where timestamps tie.

    Attributes:
        valid: About this share of interactions, in (0, 1).
        test: About this share of interactions, in (0, 1).
    """

    valid: float = 0.1
    test: float = 0.1

    def __attrs_post_init__(self) -> None:
        _check_shares(self.valid, self.test)

    def codes(self, _users: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int8]:
        """Mark each interaction, int8 ``(rows,)``: 0 train, 1 valid, 2 test.

        Raises:
            EmptyDataError: A part is empty, because too many timestamps are equal.
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


def _check_shares(valid: float, test: float) -> None:
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise ConfigurationError(
            f"the shares valid = {valid:g} and test = {test:g} must be above 0 and together below 1"
        )


@attrs.frozen(kw_only=True)
class Ratio:
    """The last share of each user's interactions is test, the share before it valid.

    Each part has at least one interaction, and beyond that the share is rounded down; users with fewer than 3 are
    entirely in train. Not free of leaks across users, like ``LeaveLast``.

    Attributes:
        valid: This share of each user's interactions, in (0, 1).
        test: This share of each user's interactions, in (0, 1).
    """

    valid: float = 0.1
    test: float = 0.1

    def __attrs_post_init__(self) -> None:
        _check_shares(self.valid, self.test)

    def codes(self, users: NDArray[np.int64], _times: NDArray[np.int64]) -> NDArray[np.int8]:
        """Mark each interaction, int8 ``(rows,)``: 0 train, 1 valid, 2 test; rows are user after user, oldest first."""
        return _by_place(users, self.valid, self.test)


@attrs.frozen(kw_only=True)
class Random:
    """Interactions are assigned to the parts at random, by a seed, whatever their times, which leaks time.

    Later interactions train a model that is tested on earlier ones, and a history is not what was known at the time.
    For comparison with published results that use it.

    Attributes:
        valid: This share of interactions, in (0, 1).
        test: This share of interactions, in (0, 1).
        seed: Another seed is another draw.
    """

    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        _check_shares(self.valid, self.test)

    def codes(self, users: NDArray[np.int64], _times: NDArray[np.int64]) -> NDArray[np.int8]:
        """Mark each interaction, int8 ``(rows,)``: 0 train, 1 valid, 2 test.

        Raises:
            EmptyDataError: A part is empty, because there are too few interactions.
        """
        valid, test = (_share(len(users), share) for share in (self.valid, self.test))
        if not (valid and test and valid + test < len(users)):
            raise EmptyDataError(
                f"the split 'random' of {len(users):,} interactions leaves a part empty; use larger shares or more data"
            )
        codes = np.empty(len(users), dtype=np.int8)
        parts = np.repeat(np.array([TEST, VALID, TRAIN], np.int8), [test, valid, len(users) - valid - test])
        codes[np.random.default_rng(self.seed).permutation(len(users))] = parts
        return codes


@attrs.frozen(kw_only=True)
class RandomByUser:
    """Each user's interactions are assigned to the parts at random, by a seed, which leaks time.

    Users with fewer than 3 are entirely in train. For comparison, like ``Random``.

    Attributes:
        valid: This share of each user's interactions, in (0, 1).
        test: This share of each user's interactions, in (0, 1).
        seed: Another seed is another draw.
    """

    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        _check_shares(self.valid, self.test)

    def codes(self, users: NDArray[np.int64], _times: NDArray[np.int64]) -> NDArray[np.int8]:
        """Mark each interaction, int8 ``(rows,)``: 0 train, 1 valid, 2 test; rows are user after user."""
        drawn = np.random.default_rng(self.seed).permutation(len(users))
        drawn = drawn[np.argsort(users[drawn], kind="stable")]  # user after user, each user's rows in drawn order
        codes = np.empty(len(users), dtype=np.int8)
        codes[drawn] = _by_place(users[drawn], self.valid, self.test)
        return codes


def _share(count: int, share: float) -> int:
    return int(count * share + 1e-9)  # 100 · 0.29 is 28.999… in floating point


def _by_place(users: NDArray[np.int64], valid: float, test: float) -> NDArray[np.int8]:
    """Return int8 ``(rows,)``: each user's last share is test, the one before it valid, and at least one row is train.

    Rows are user after user; users with fewer than 3 are entirely in train.
    """
    _, starts, counts = np.unique(users, return_index=True, return_counts=True)
    tests, valids = (np.maximum(1, (counts * share + 1e-9).astype(np.int64)) for share in (test, valid))
    tests = np.minimum(tests, counts - 2)
    valids = np.minimum(valids, counts - 1 - tests)
    # rows from this one to the user's last, inclusive
    left = np.repeat(starts + counts, counts) - np.arange(len(users))
    tests, both = np.repeat(tests, counts), np.repeat(tests + valids, counts)
    codes = np.where(left <= tests, TEST, np.where(left <= both, VALID, TRAIN))
    return np.where(np.repeat(counts, counts) < 3, TRAIN, codes).astype(np.int8)


@attrs.frozen(kw_only=True)
class Official:
    """The published parts.

    If there are two parts, train and a later one, the later one is test, and each user's last training interaction is
    valid, if there are two before it.
    """

    def codes(self, users: NDArray[np.int64], parts: Sequence[str]) -> NDArray[np.int8]:
        """Mark each interaction, int8 ``(rows,)``: 0 train, 1 valid, 2 test.

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
    """Return the last training row of each user with at least three."""
    rows = np.flatnonzero(codes == TRAIN)
    counts = np.bincount(users[rows])
    return rows[np.cumsum(counts)[counts >= 3] - 1]


class Split(Protocol):
    """Protocol of splits; the built-in ones are in ``SPLITS``, and a caller may pass one of its own."""

    def codes(self, users: NDArray[np.int64], times: Any, /) -> NDArray[np.int8]:
        """Mark each interaction: 0 train, 1 valid, 2 test.

        Args:
            users: int64 ``(rows,)``: rows are user after user, oldest first.
            times: int64 ``(rows,)``, in milliseconds; for ``Official`` the published parts.
        """


SPLITS: Mapping[str, Split] = {
    "leave-last": LeaveLast(),
    "global-time": GlobalTime(),
    "ratio": Ratio(),
    "random": Random(),
    "random-by-user": RandomByUser(),
    "official": Official(),
}


def named_split(name: str, *, valid: float | None = None, test: float | None = None, seed: int = 0) -> Split:
    """Return a split by name.

    Args:
        name: Name of the split.
        valid: Share of the interactions in valid, for splits with shares; None for its default.
        test: Share of the interactions in test, likewise.
        seed: Seed of a random split.

    Raises:
        UnknownNameError: There is no such split.
        ConfigurationError: The split has no shares, or they are not between 0 and 1.

    >>> named_split("ratio", test=0.2)
    Ratio(valid=0.1, test=0.2)
    """
    if isinstance(name, Given):
        return _given(name, shares=[valid, test])
    if name not in SPLITS:
        raise UnknownNameError("split", name, SPLITS)
    rule = SPLITS[name]
    if not isinstance(rule, GlobalTime | Ratio | Random | RandomByUser):
        for part, share in (("valid", valid), ("test", test)):
            if share is not None:
                raise ConfigurationError(f"the split {name!r} has no shares; leave {part}_share out")
        return rule
    valid, test = (rule.valid if valid is None else valid), (rule.test if test is None else test)
    if isinstance(rule, Random | RandomByUser):
        return type(rule)(valid=valid, test=test, seed=seed)
    return type(rule)(valid=valid, test=test)


def _given(given: Given, *, shares: Sequence[float | None]) -> Split:
    """Return a split that was given as an object, with shares of its own.

    Raises:
        ConfigurationError: The object is not a split, or shares are set too.
    """
    rule = given.value
    if not callable(getattr(rule, "codes", None)):
        raise ConfigurationError(
            f"the split {given!r} has no method codes(users, times), which marks each interaction 0 (train), 1 (valid) or 2 (test)"
        )
    if any(share is not None for share in shares):
        raise ConfigurationError(f"the split {given!r} has its shares; leave valid_share and test_share out")
    split: Split = rule
    return split


def _require_codes(codes: object, rule: object, rows: int) -> NDArray[np.int8]:
    """Return a custom split's codes as int8, or raise if they are invalid."""
    marks = np.asarray(codes)
    if marks.shape != (rows,) or marks.dtype.kind not in "iu" or not np.isin(marks, (0, VALID, TEST)).all():
        raise ConfigurationError(
            f"the split {type(rule).__name__} gives 0 (train), 1 (valid) or 2 (test) for each of the {rows} interactions, got "
            f"{marks.dtype} of shape {marks.shape}"
        )
    return marks.astype(np.int8)


def check_order(rule: Split, order: str) -> None:
    """Raise if a split cannot be applied to interactions in this order.

    Raises:
        ConfigurationError: The split compares times, but the order is that of the file.
        UnknownNameError: There is no such order.
    """
    if order not in ORDERS:
        raise UnknownNameError("order", order, ORDERS)
    if order == "file" and isinstance(rule, GlobalTime):
        raise ConfigurationError(
            "the split 'global-time' compares the times of different users, and order = 'file' only says in which order "
            "each user did things; use 'leave-last', 'ratio' or 'official', or order = 'time'"
        )


def split(
    interactions: "Interactions", by: "str | Split" = "leave-last", ratings: NDArray[np.int64] | None = None
) -> Sequences:
    """Return every user's items, oldest first, each marked train, valid or test.

    With random or published parts, train is before valid and valid before test, whatever the times.

    Args:
        interactions: Interactions with timestamps, or in the order of their file.
        by: A split, or its name.
        ratings: int64 ``(interactions,)``: index of the option with which each was rated, for models that predict it.

    Raises:
        ConfigurationError: The split compares times, but the order is that of the file.
        DataError: Timestamps are missing.
        EmptyDataError: A part is empty.
        UnknownNameError: No split has this name.
    """
    order = interactions.preparation.order
    rule = named_split(by, seed=interactions.preparation.seed) if isinstance(by, str) else by
    check_order(rule, order)
    if order == "time":
        _require_times(interactions)
    ours = type(rule) in set(map(type, SPLITS.values()))  # whose errors are about the data, and who write nowhere
    users, times = (interactions.table[name].to_numpy(writable=not ours) for name in ("user", "timestamp"))
    items = interactions.table["item"].to_numpy(writable=True)
    with nullcontext() if ours else plugin_errors(f"split {type(rule).__name__} ({written_in(rule)})"):
        codes = rule.codes(users, _parts(interactions)) if isinstance(rule, Official) else rule.codes(users, times)
    splits = _require_codes(codes, rule, len(users))
    if not isinstance(rule, LeaveLast | Ratio | GlobalTime):
        # a history must not hold later parts, and these parts may contradict the times
        placed = np.lexsort((np.arange(len(users)), splits, users))
        items, splits = items[placed], splits[placed]
        ratings = None if ratings is None else ratings[placed]
    return Sequences(
        items=items,
        offsets=np.concatenate([[0], np.cumsum(np.bincount(users))]).astype(np.int64),
        splits=splits,
        catalogue_size=len(interactions.items),
        ratings=ratings,
    )


def _require_times(interactions: "Interactions") -> None:
    missing = interactions.table["timestamp"].null_count()
    if missing:
        raise DataError(
            f"a split into train, valid and test needs the time of every interaction, but {missing:,} of "
            f"{len(interactions):,} interactions of {interactions.edition.name} have none; name the column of timestamps, "
            "set order = 'file' if the rows stand in the order of events, or use other data"
        )


def _parts(interactions: "Interactions") -> Sequence[str]:
    if "split" not in interactions.table.columns:
        raise DataError(
            f"{interactions.edition.name} has no official split, or not all of its parts were read; use 'leave-last' or "
            "'ratio'"
        )
    return interactions.table["split"].to_list()
