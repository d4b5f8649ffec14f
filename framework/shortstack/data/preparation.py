"""Preparation of an adapter's records: filtered, numbered and ordered rows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import attrs
import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortstack.data.checks import COLUMNS, OPTIONAL, check
from shortstack.data.filters import k_core
from shortstack.data.hashing import mixed, seeded_hashes
from shortstack.errors import ConfigurationError, DataError, EmptyDataError

Duplicates = Literal["keep", "first", "last"]
Ties = Literal["hash", "file"]
Order = Literal["time", "file"]
Hashes = Mapping[str, NDArray[np.uint64]]
_AT_LEAST_ONE = attrs.validators.optional(attrs.validators.ge(1))


def _is_moment(_preparation: object, field: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None:
        try:
            _milliseconds(value)
        except ValueError:
            raise ConfigurationError(
                f"{field.name} takes a date such as '2009-05-04' or a time such as '2009-05-04T23:08:57Z', got {value!r}"
            ) from None


def _milliseconds(moment: str) -> int:
    """Return milliseconds since 1970; a time without a zone is UTC.

    >>> _milliseconds("1970-01-02")
    86400000
    """
    parsed = datetime.fromisoformat(moment)
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1_000)


@attrs.frozen(kw_only=True)
class Preparation:
    """Filters of records, in this order: ratings, dates, duplicates, k-core, sample of users, last of each user.

    Attributes:
        seed: Seed of the hashes that number users and items, order ties and sample users.
        core: Smallest number of interactions of each remaining user and item; 0 filters nothing.
        min_rating: Lower ratings are dropped; None keeps all.
        since: Interactions before this date or time (ISO 8601, UTC) are dropped; None keeps all.
        until: Interactions from this date or time on are dropped; None keeps all.
        sample_users: Number of users to sample by the seed, with all their remaining interactions; None keeps all.
        last_n: Number of most recent interactions to keep of each user; None keeps all.
        duplicates: Treatment of repeated (user, item) pairs. ``"keep"`` is the default because a repeat is an event
            too (a song heard again), and published sizes count it; ``first`` and ``last`` keep one, by time.
        ties: Order of a user's interactions with equal timestamps. ``"hash"``, by a seeded hash of (user, item), leaks
            neither item ids nor row numbers; ``"file"``, as in the file, is for comparison with published numbers.
        order: ``"time"``, or ``"file"`` for sources whose rows are in the order of events: then times are not needed,
            and are ignored if present.
    """

    seed: int = 0
    core: int = attrs.field(default=5, validator=attrs.validators.ge(0))
    min_rating: float | None = None
    since: str | None = attrs.field(default=None, validator=_is_moment)
    until: str | None = attrs.field(default=None, validator=_is_moment)
    sample_users: int | None = attrs.field(default=None, validator=_AT_LEAST_ONE)
    last_n: int | None = attrs.field(default=None, validator=_AT_LEAST_ONE)
    duplicates: Duplicates = attrs.field(default="keep", validator=attrs.validators.in_(get_args(Duplicates)))
    ties: Ties = attrs.field(default="hash", validator=attrs.validators.in_(get_args(Ties)))
    order: Order = attrs.field(default="time", validator=attrs.validators.in_(get_args(Order)))

    def __attrs_post_init__(self) -> None:
        if self.since and self.until and _milliseconds(self.since) >= _milliseconds(self.until):
            raise ConfigurationError(
                f"since is {self.since}, which leaves nothing before until, {self.until}; swap them"
            )


@attrs.frozen(kw_only=True, eq=False)
class Prepared:
    """The remaining interactions, in order.

    Attributes:
        table: ``user``, ``item`` (Int64, dense), ``rating`` and ``timestamp``, and ``split`` and ``category`` if the
            records have them: user after user, oldest first.
        users: External id of each user, in dense order.
        items: External id of each item, in dense order.
    """

    table: pl.DataFrame
    users: pl.Series = attrs.field(repr=False)
    items: pl.Series


def prepare(raw: pl.DataFrame, how: Preparation) -> Prepared:
    """Filter, number and order rows.

    Args:
        raw: Rows as ``coded`` gives them.
        how: The filters and the order.

    Raises:
        DataError: A column is missing, has another type, or holds invalid values.
        EmptyDataError: Nothing is left.
    """
    check(raw)
    # in any order: the codes are replaced by numbers in the order of the hashes below
    names = {kind: _names(raw[kind]) for kind in ("user", "item")}
    hashes = {kind: seeded_hashes(names[kind], kind=kind, seed=how.seed) for kind in names}
    table = _dated(_rated(raw, how), how).with_columns(pl.col(*names).to_physical())
    rated = len(table)
    table = _in_core(_distinct(table, hashes, how), how)
    table = _recent(_sampled(table, hashes["user"], how), hashes, how)
    if table.is_empty():
        raise EmptyDataError(_nothing_left(len(raw), rated, how))
    orders = {kind: _dense_order(table[kind], names[kind], hashes[kind]) for kind in names}
    for kind in names:
        numbers = _numbers(orders[kind], len(names[kind]))[table[kind].to_numpy()]
        table = table.with_columns(pl.Series(kind, numbers))
    table = _ordered(table, {kind: hashes[kind][orders[kind]] for kind in names}, how)
    return Prepared(
        table=table.with_columns(pl.col(*names).cast(pl.Int64), *_optional_texts(table)),
        users=names["user"][orders["user"]],
        items=names["item"][orders["item"]],
    )


def _names(column: pl.Series) -> pl.Series:
    """Return the text of each code of a column.

    Raises:
        TypeError: It holds texts.
    """
    if not isinstance(column.dtype, pl.Enum):
        raise TypeError(f"prepare() takes interactions as coded() gives them; the column {column.name!r} holds texts")
    return column.dtype.categories.alias(column.name)


def _optional_texts(table: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.String) for name in OPTIONAL if name in table.columns]


def _in_core(table: pl.DataFrame, how: Preparation) -> pl.DataFrame:
    rows = k_core(table["user"].to_numpy(), table["item"].to_numpy(), how.core)
    return table if len(rows) == len(table) else table[rows]


def _rated(raw: pl.DataFrame, how: Preparation) -> pl.DataFrame:
    if how.min_rating is None:
        return raw
    unrated = raw["rating"].null_count()
    if unrated:
        raise DataError(
            f"min_rating = {how.min_rating:g} needs ratings, but {unrated:,} of {len(raw):,} interactions have none; "
            "leave min_rating out"
        )
    return raw.filter(pl.col("rating") >= how.min_rating)


def _dated(rated: pl.DataFrame, how: Preparation) -> pl.DataFrame:
    if how.since is None and how.until is None:
        return rated
    _require_times(rated, "since and until need")
    time = pl.col("timestamp")
    if how.since is not None:
        rated = rated.filter(time >= _milliseconds(how.since))
    return rated if how.until is None else rated.filter(time < _milliseconds(how.until))


def _require_times(table: pl.DataFrame, what: str, instead: str = "leave it out") -> None:
    untimed = table["timestamp"].null_count()
    if untimed:
        raise DataError(f"{what} the time of every interaction, but {untimed:,} of {len(table):,} have none; {instead}")


_BY_FILE = "set order = 'file' if the rows stand in the order of events"


def _sampled(table: pl.DataFrame, hashes: NDArray[np.uint64], how: Preparation) -> pl.DataFrame:
    """Keep the users with the smallest hashes: a sample that depends on the seed and the users' names alone."""
    if how.sample_users is None:
        return table
    users = table["user"].unique().to_numpy()
    drawn = users[np.argsort(hashes[users], kind="stable")[: how.sample_users]]
    return table.filter(pl.col("user").is_in(pl.Series(drawn).implode()))


def _recent(table: pl.DataFrame, hashes: Hashes, how: Preparation) -> pl.DataFrame:
    if how.last_n is None:
        return table
    if how.order == "time":
        _require_times(table, "last_n needs", _BY_FILE)
    return _ordered(table, hashes, how).group_by("user", maintain_order=True).tail(how.last_n)


def _distinct(table: pl.DataFrame, hashes: Hashes, how: Preparation) -> pl.DataFrame:
    """Keep one row of each (user, item) pair, unless duplicates are kept."""
    if how.duplicates == "keep":
        return table
    if how.order == "time" and how.ties == "hash":
        instead = f"use duplicates = 'keep', or {_BY_FILE}"
        _require_times(table, f"duplicates = {how.duplicates!r} needs", instead)
    ordered = _ordered(table, hashes, how)
    return ordered.unique(["user", "item"], keep=how.duplicates, maintain_order=True)


def _nothing_left(read: int, rated: int, how: Preparation) -> str:
    conditions = [] if how.min_rating is None else [f"have a rating of at least {how.min_rating:g}"]
    conditions += [] if how.since is None else [f"are since {how.since}"]
    conditions += [] if how.until is None else [f"are before {how.until}"]
    after = f", of which {rated:,} {' and '.join(conditions)}" if conditions else ""
    return (
        f"no interactions are left after the {how.core}-core (core = {how.core}) of {read:,} interactions{after}; "
        "lower core or use more data"
    )


def _ordered(table: pl.DataFrame, hashes: Hashes, how: Preparation) -> pl.DataFrame:
    """Order rows by user, then time, then hash; ties in (user, item, time) by rating.

    With ``order="file"`` each user's rows keep their order.
    """
    columns = table.select(*COLUMNS, *(name for name in OPTIONAL if name in table.columns))
    if how.order == "file":
        return columns[np.argsort(table["user"].to_numpy(), kind="stable")]
    moments = _moments(table)
    # the default sort is faster, and the order of its ties is set below
    order = np.argsort(moments, kind="stable" if how.ties == "file" else None)
    order = order.astype(np.uint32 if len(order) < 1 << 32 else np.int64)  # polars' own, so that it makes no copy
    moments = moments[order]
    if how.ties == "hash":
        _order_ties(order, moments, columns, hashes)
    del moments  # eight bytes for each row, which the ordered columns are to have
    return columns[order]


def _moments(table: pl.DataFrame) -> NDArray[np.int64]:
    """Return one sort key for user and time, int64 ``(rows,)``: by user, then by time, rows without a time last."""
    users, times = table["user"].to_numpy().astype(np.int64), table["timestamp"]
    earliest, latest = (int(end) if isinstance(end, int) else 0 for end in (times.min(), times.max()))
    since = (times.fill_null(latest + 1) if times.null_count() else times).to_numpy()
    span = latest + 2 - earliest
    if len(users) and (int(users.max()) + 1) * span >= 2**63:  # would overflow int64: use ranks instead of times
        _, since = np.unique(since, return_inverse=True)
        span = int(since.max()) + 1
    users *= np.int64(span)
    users += since
    users -= earliest
    return users


def _order_ties(
    order: "NDArray[np.integer[Any]]", moments: NDArray[np.int64], columns: pl.DataFrame, hashes: Hashes
) -> None:
    """Order rows of one user and one time, in place, by their hashes, then by their ratings, missing ones last."""
    same = moments[1:] == moments[:-1]
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    rows = order[tied]
    users, items = (columns[name].to_numpy()[rows] for name in ("user", "item"))
    ratings = columns["rating"].to_numpy()[rows]  # null is NaN, which is sorted to the end
    pairs = mixed(hashes["user"][users], hashes["item"][items])
    order[tied] = rows[np.lexsort((ratings, items, pairs, moments[tied]))]


def _dense_order(codes: pl.Series, names: pl.Series, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the codes that occur, by hash; equal hashes (one pair in 2⁶⁴) by name."""
    present = np.flatnonzero(np.bincount(codes.to_numpy(), minlength=1))
    keys = pl.DataFrame({"code": present, "hash": hashes[present], "name": names[present]})
    return keys.sort("hash", "name")["code"].to_numpy()


def _numbers(order: NDArray[np.int64], count: int) -> NDArray[Any]:
    """Return the dense number of each code, in four bytes if they do; −1 if it does not occur.

    >>> _numbers(np.array([2, 0]), 3).tolist()
    [1, -1, 0]
    """
    numbers = np.full(count, -1, dtype=np.int32 if count < 1 << 31 else np.int64)
    numbers[order] = np.arange(len(order))
    return numbers
