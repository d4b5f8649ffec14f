"""JSON lines and Parquet: formats that name the fields of every row."""

import io
import json
from collections.abc import Iterator, Sequence

import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.columns import Column, typed


def read_json_lines(data: bytes, place: str, columns: Sequence[Column]) -> pl.DataFrame:
    """Some fields of one JSON object a line, typed, under the names of their roles.

    Raises:
        DataError: No line has one of the fields.
        RowError: A line is no JSON object, or a value is not what its column should hold.
    """
    if not data.strip():
        raise DataError(f"{place} is empty")
    try:
        frame = pl.read_ndjson(data, schema={column.name: pl.String for column in columns})
    except pl.exceptions.PolarsError:
        raise _bad_line(data, place) from None  # polars quotes the line, and with it a user
    for column in columns:
        if frame[column.name].null_count() == len(frame):
            raise DataError(f"{place} has no field {column.name!r} for {column.role} in any line")
    texts = frame.select(pl.col(column.name).alias(column.role) for column in columns)
    return typed(texts, columns, place=place, line=lambda row: _numbers(data)[row])


def read_parquet(data: bytes, place: str, columns: Sequence[Column]) -> pl.DataFrame:
    """Some columns of a Parquet file, typed, under the names of their roles; errors count rows from 1.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
        RowError: A value is not what its column should hold.
    """
    try:
        names = pl.read_parquet_schema(io.BytesIO(data))
        missing = [column for column in columns if column.name not in names]
        if missing:
            raise DataError(
                f"{place} has no column {missing[0].name!r} for {missing[0].role}; it has: {', '.join(names)}"
            )
        frame = pl.read_parquet(io.BytesIO(data), columns=list({column.name for column in columns}))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # pages that are damaged make it panic
        raise DataError(f"{place} is truncated or no Parquet file") from error
    texts = frame.select(_text(frame[column.name], column) for column in columns)
    return typed(texts, columns, place=place, line=lambda row: row + 1)


def _text(values: pl.Series, column: Column) -> pl.Series:
    """As text in the unit that the column says, so that every format is checked alike."""
    if isinstance(values.dtype, pl.Datetime | pl.Date):
        if column.kind == "iso":
            return values.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d %H:%M:%S%.3f").alias(column.role)
        unit = 1_000 if column.kind == "s" else 1 if column.kind == "ms" else 0.001
        return (values.cast(pl.Datetime("ms")).cast(pl.Int64) / unit).cast(pl.String).alias(column.role)
    return values.cast(pl.String).alias(column.role)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip())


def _numbers(data: bytes) -> list[int]:
    return [number for number, _ in _lines(data)]


def _bad_line(data: bytes, place: str) -> DataError:
    for number, line in _lines(data):
        try:
            value = json.loads(line)
        except ValueError:
            return RowError(place, number, "the line is not JSON; each line should be one object")
        if not isinstance(value, dict):
            return RowError(place, number, f"the line is a JSON {type(value).__name__}; each line should be one object")
    return DataError(f"{place} cannot be read as JSON lines")
