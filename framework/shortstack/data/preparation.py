"""From records as an adapter reads them to filtered, numbered and ordered rows."""

from collections.abc import Mapping
from typing import Literal, get_args

import attrs
import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortstack.data.filters import k_core
from shortstack.data.hashing import mixed, seeded_hashes
from shortstack.errors import DataError, EmptyDataError

Duplicates = Literal["keep", "first", "last"]
Ties = Literal["hash", "file"]
Hashes = Mapping[str, NDArray[np.uint64]]
COLUMNS = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
ITEM_COLUMNS = dict.fromkeys(("item", "title", "category", "text"), pl.String)
_YEAR_1 = -62_135_596_800_000
_YEAR_10000 = 253_402_300_800_000
"""Milliseconds since 1970: outside of these there are no dates, and the unit is another."""


@attrs.frozen(kw_only=True)
class Preparation:
    """What is done to records.

    Attributes:
        seed: Of the hashes that number users and items and that order ties.
        core: Every user and item left has at least this many interactions; 0 filters nothing.
        min_rating: Lower ratings are dropped; None keeps all.
        duplicates: What becomes of repeated (user, item) pairs. ``"keep"`` is the default because a repeat is an event
            too (a song heard again), and published sizes count it; ``first`` and ``last`` keep one, by time.
        ties: How a user's interactions with one timestamp are ordered. ``"hash"``, by a seeded hash of (user, item),
            leaks neither item ids nor row numbers; ``"file"``, as in the file, is for comparison with published numbers.
    """

    seed: int = 0
    core: int = attrs.field(default=5, validator=attrs.validators.ge(0))
    min_rating: float | None = None
    duplicates: Duplicates = attrs.field(default="keep", validator=attrs.validators.in_(get_args(Duplicates)))
    ties: Ties = attrs.field(default="hash", validator=attrs.validators.in_(get_args(Ties)))


@attrs.frozen(kw_only=True, eq=False)
class Prepared:
    """What is left, in order.

    Attributes:
        table: ``user``, ``item`` (Int64, dense), ``rating`` and ``timestamp``: user after user, oldest first.
        users: External id of each user, in dense order.
        items: External id of each item, in dense order.
    """

    table: pl.DataFrame
    users: pl.Series = attrs.field(repr=False)
    items: pl.Series


def prepare(raw: pl.DataFrame, how: Preparation) -> Prepared:
    """Filter, number and order rows.

    Raises:
        DataError: A column is missing, has another type, or holds what it must not.
        EmptyDataError: Nothing is left.
    """
    check(raw)
    rated = _rated(raw, how)
    names = {kind: rated[kind].unique() for kind in ("user", "item")}
    codes = {kind: _positions(rated[kind], names[kind]) for kind in names}
    hashes = {kind: seeded_hashes(names[kind], kind=kind, seed=how.seed) for kind in names}
    table = _distinct(rated.select("rating", "timestamp").with_columns(**codes), hashes, how)
    table = table[k_core(table["user"].to_numpy(), table["item"].to_numpy(), how.core)]
    if table.is_empty():
        raise EmptyDataError(_nothing_left(len(raw), len(rated), how))
    orders = {kind: _dense_order(table[kind], names[kind], hashes[kind]) for kind in names}
    dense = table.with_columns(
        pl.Series(kind, _numbers(orders[kind], len(names[kind]))[table[kind].to_numpy()]) for kind in names
    )
    return Prepared(
        table=_ordered(dense, {kind: hashes[kind][orders[kind]] for kind in names}, how.ties),
        users=names["user"][orders["user"]],
        items=names["item"][orders["item"]],
    )


def check(raw: pl.DataFrame) -> None:
    """Refuse a table of interactions that is not what the contract says.

    Raises:
        DataError: Names the column, the first row, and never a user.
    """
    _check_columns(raw, COLUMNS, "interactions")
    for name in ("user", "item"):
        missing = raw[name].is_null() | (raw[name] == "")
        if missing.any():
            raise DataError(
                f"the column {name!r} of the interactions is empty in row {_first(missing)}; every row needs one"
            )
    infinite = ~raw["rating"].is_finite().fill_null(value=True)
    if infinite.any():
        row = _first(infinite)
        raise DataError(f"rating {raw['rating'][row - 1]} in row {row} of the interactions is no finite number")
    undated = ~raw["timestamp"].is_between(_YEAR_1, _YEAR_10000, closed="left").fill_null(value=True)
    if undated.any():
        row = _first(undated)
        raise DataError(
            f"timestamp {raw['timestamp'][row - 1]} in row {row} of the interactions is no date in milliseconds since 1970"
        )


def check_items(items: pl.DataFrame) -> None:
    """Refuse a table of items that is not what the contract says.

    Raises:
        DataError: A column is missing or has another type, or an item is named twice or not at all.
    """
    _check_columns(items, ITEM_COLUMNS, "items")
    if items["item"].null_count() or items["item"].n_unique() != len(items):
        raise DataError("the table of items must name each item once, and has repeated or empty ids")


def _check_columns(table: pl.DataFrame, columns: Mapping[str, type[pl.DataType]], what: str) -> None:
    for name, dtype in columns.items():
        if name not in table.columns:
            raise DataError(f"the {what} have no column {name!r} (they have: {', '.join(table.columns) or 'none'})")
        if table[name].dtype != dtype:
            raise DataError(f"the column {name!r} of the {what} must be {dtype}, not {table[name].dtype}")


def _first(flags: pl.Series) -> int:
    """The number of the first row that is flagged, from 1."""
    return int(flags.arg_max() or 0) + 1


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


def _distinct(table: pl.DataFrame, hashes: Hashes, how: Preparation) -> pl.DataFrame:
    """One row a (user, item) pair, unless duplicates are kept."""
    if how.duplicates == "keep":
        return table
    untimed = table["timestamp"].null_count()
    if untimed and how.ties == "hash":
        raise DataError(
            f"duplicates = {how.duplicates!r} needs the time of every interaction, but {untimed:,} of {len(table):,} have "
            "none; use duplicates = 'keep', or ties = 'file' to go by the order of the rows"
        )
    ordered = _ordered(table, hashes, how.ties)
    return ordered.unique(["user", "item"], keep=how.duplicates, maintain_order=True)


def _nothing_left(read: int, rated: int, how: Preparation) -> str:
    after = "" if how.min_rating is None else f", of which {rated:,} have a rating of at least {how.min_rating:g}"
    return (
        f"no interactions are left after the {how.core}-core (core = {how.core}) of {read:,} interactions{after}; "
        "lower core or use more data"
    )


def _positions(values: pl.Series, names: pl.Series) -> pl.Series:
    """Int64: where in ``names`` each value stands."""
    lookup = pl.DataFrame({"name": names, "position": np.arange(len(names))})
    return values.to_frame("name").join(lookup, on="name", how="left", maintain_order="left")["position"]


def _ordered(table: pl.DataFrame, hashes: Hashes, ties: Ties) -> pl.DataFrame:
    """User after user, by time; what ties in (user, item, time) goes by rating, and is alike after that."""
    columns = table.select("user", "item", "rating", "timestamp")
    if ties == "file":
        return columns.sort("user", "timestamp", nulls_last=True, maintain_order=True)
    pairs = mixed(hashes["user"][table["user"].to_numpy()], hashes["item"][table["item"].to_numpy()])
    keyed = columns.with_columns(tie=pairs)
    return keyed.sort("user", "timestamp", "tie", "item", "rating", nulls_last=True).drop("tie")


def _dense_order(codes: pl.Series, names: pl.Series, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The codes that occur, by hash; equal hashes (one pair in 2⁶⁴) by name."""
    present = codes.unique().to_numpy()
    keys = pl.DataFrame({"code": present, "hash": hashes[present], "name": names[present]})
    return keys.sort("hash", "name")["code"].to_numpy()


def _numbers(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The dense number of each code; −1 where it does not occur."""
    numbers = np.full(count, -1, dtype=np.int64)
    numbers[order] = np.arange(len(order))
    return numbers
