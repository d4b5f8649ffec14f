"""Columns that have types of their own, as in Parquet, converted to those of their roles."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs
import polars as pl

from shortstack.errors import DataError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import CATEGORY, Column
from shortstack_datasets.reading.values import EXACT, typed

ROWS: Final = 1 << 20
"""Rows that are converted at once, as texts of some hundred bytes each."""
_DIGITS: Final[Mapping[object, int]] = {pl.Float16: 11, pl.Float32: 24}
"""Binary digits of short floats: from two to the power of these, neighbouring integers are stored as one number."""
_ROUGH: Final = frozenset(_DIGITS)


def columns_there(names: Sequence[str], columns: Sequence[Column], place: str) -> list[str]:
    """Return the names of the columns that a table has.

    Raises:
        DataError: It lacks one that is not optional.
    """
    missing = [column for column in columns if column.name not in names and not column.optional]
    if missing:
        raise DataError(f"{place} has no column {missing[0].name!r} for {missing[0].role}; it has: {', '.join(names)}")
    return list(dict.fromkeys(column.name for column in columns if column.name in names))


def splittable(schema: Mapping[str, pl.DataType], columns: Sequence[Column]) -> bool:
    """Return False if a column of ids holds floats, whose notation as texts depends on all of its values."""
    kinds = (schema[column.name] for column in columns if column.kind in {"id", "whole"} and column.name in schema)
    return not any((kind.inner if isinstance(kind, pl.List | pl.Array) else kind).is_float() for kind in kinds)


def typed_frame(
    frame: pl.DataFrame, columns: Sequence[Column], *, place: str, line: Callable[[int], int], bad: BadRows
) -> pl.DataFrame:
    """Convert columns of any types to those of their roles; see ``typed``.

    Raises:
        DataError: A column holds what is no text, number or time.
        RowError: A value does not suit its column; unless bad rows are skipped.
    """
    # a column of times needs no parsing, so a format in the settings does not apply to it
    columns = [
        attrs.evolve(column, kind="iso")
        if column.kind == "form" and column.name in frame.columns and _is_time(frame[column.name])
        else column
        for column in columns
    ]
    texts = frame.select(
        _text(frame[column.name], column, place)
        if column.name in frame.columns
        else pl.lit(None, dtype=pl.String).alias(column.role)
        for column in columns
    )
    return typed(texts, columns, place=place, line=line, bad=bad)


def _text(values: pl.Series, column: Column, place: str) -> pl.Series:
    """Convert values to text in the column's unit, so that all file formats are checked in the same way.

    Raises:
        DataError: They are of a type that is no text, number or time, or of one that does not hold such times or ids.
    """
    if column.role == CATEGORY and isinstance(values.dtype, pl.List) and not values.dtype.inner.is_nested():
        return values.cast(pl.List(pl.String)).list.join("|").alias(column.role)
    if values.dtype.is_nested():  # polars would write a structure as text
        raise _no_plain_value(values, column, place)
    if _is_time(values) and column.role == "timestamp":
        if column.kind == "iso":
            return values.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d %H:%M:%S%.3f").alias(column.role)
        unit = 1_000 if column.kind == "s" else 1 if column.kind == "ms" else 0.001
        return (values.cast(pl.Datetime("ms")).cast(pl.Int64) / unit).cast(pl.String).alias(column.role)
    if values.dtype.is_float() and column.kind in {"id", "whole"}:
        values = _whole(values, column, place)
    if column.role == "timestamp" and values.dtype in _ROUGH:
        raise DataError(
            f"{place} holds times in {column.name} as {values.dtype}, in which times that are minutes apart are one number; "
            "store them as whole numbers, 64-bit floats or datetimes"
        )
    try:
        return values.cast(pl.String).alias(column.role)
    except pl.exceptions.PolarsError as error:
        raise _no_plain_value(values, column, place) from error


def _no_plain_value(values: pl.Series, column: Column, place: str) -> DataError:
    return DataError(f"{place}: the column {column.name!r} holds {values.dtype}, which is no text or number")


def _is_time(values: pl.Series) -> bool:
    return isinstance(values.dtype, pl.Datetime | pl.Date)


def _whole(values: pl.Series, column: Column, place: str) -> pl.Series:
    """Convert ids that are whole numbers stored as floats to integers; return others unchanged.

    Raises:
        DataError: Some are so large that neighbouring integers are the same float.
    """
    there = values.fill_nan(None)
    whole = there.cast(pl.Int64, strict=False)
    if not (whole.cast(pl.Float64) == there.cast(pl.Float64)).all() or whole.null_count() > there.null_count():
        return values
    exact = 2 ** _DIGITS[values.dtype] if values.dtype in _DIGITS else EXACT
    # the next integer is stored as this one
    if (whole.abs() >= exact).any():
        raise DataError(
            f"{place} holds {column.role} ids in {column.name} as floats from {exact:,} on, where different ids are stored as "
            "one number; store them as whole numbers or text"
        )
    return whole
