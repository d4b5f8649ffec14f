"""Whether tables are what the contract of dataset adapters says."""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from shortstack.errors import DataError

COLUMNS = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
OPTIONAL = {"split": pl.String, "category": pl.String}
ITEM_COLUMNS = dict.fromkeys(("item", "title", "category", "text"), pl.String)
SPLITS = ("train", "valid", "test")
_YEAR_1980 = 315_532_800_000
_YEAR_1 = -62_135_596_800_000
_YEAR_10000 = 253_402_300_800_000
"""Milliseconds since 1970: outside of these there are no dates, and the unit is another."""


def check(raw: pl.DataFrame) -> None:
    """Refuse a table of interactions that is not what the contract says.

    Raises:
        DataError: Names the column, the first row, and never a user.
    """
    _check_columns(
        raw, COLUMNS | {name: dtype for name, dtype in OPTIONAL.items() if name in raw.columns}, "interactions"
    )
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
    if "split" in raw.columns and (other := ~raw["split"].is_in(SPLITS).fill_null(value=False)).any():
        row = _first(other)
        raise DataError(
            f"split {raw['split'][row - 1]!r} in row {row} of the interactions is none of {', '.join(SPLITS)}"
        )


def check_items(items: pl.DataFrame) -> None:
    """Refuse a table of items that is not what the contract says.

    Raises:
        DataError: A column is missing or has another type, or an item is named twice or not at all.
    """
    _check_columns(items, ITEM_COLUMNS, "items")
    if items["item"].null_count() or items["item"].n_unique() != len(items):
        raise DataError("the table of items must name each item once, and has repeated or empty ids")


def doubts(raw: pl.DataFrame) -> list[str]:
    """What may be wrong with interactions that are as they should be: a sentence each."""
    latest = raw["timestamp"].max()
    if not isinstance(latest, int) or latest >= _YEAR_1980:
        return []
    when = datetime.fromtimestamp(latest / 1_000, tz=UTC).date()
    return [
        f"every time lies before 1980, the last on {when}: are they times, and in the unit or the form that is set?"
    ]


def _check_columns(table: pl.DataFrame, columns: Mapping[str, type[pl.DataType]], what: str) -> None:
    for name, dtype in columns.items():
        if name not in table.columns:
            raise DataError(f"the {what} have no column {name!r} (they have: {', '.join(table.columns) or 'none'})")
        if table[name].dtype != dtype:
            raise DataError(f"the column {name!r} of the {what} must be {dtype}, not {table[name].dtype}")


def _first(flags: pl.Series) -> int:
    """The number of the first row that is flagged, from 1."""
    return int(flags.arg_max() or 0) + 1
