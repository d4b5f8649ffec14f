"""Checks of tables against the contract of dataset adapters."""

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
"""Milliseconds since 1970: numbers outside of these are not dates, and so in another unit."""


def check(raw: pl.DataFrame) -> None:
    """Raise if a table of interactions violates the contract.

    Raises:
        DataError: A value is invalid; names the column and the first row, never a user.
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
    """Raise if a table of items violates the contract.

    Raises:
        DataError: A column is missing or has another type, or an id is repeated or empty.
    """
    _check_columns(items, ITEM_COLUMNS, "items")
    if items["item"].null_count() or items["item"].n_unique() != len(items):
        raise DataError("the table of items must name each item once, and has repeated or empty ids")


def doubts(raw: pl.DataFrame) -> list[str]:
    """Return warnings about interactions that are valid but suspicious, a sentence each."""
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
    """Return the number of the first flagged row, from 1."""
    return int(flags.arg_max() or 0) + 1
