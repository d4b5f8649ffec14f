"""JSON lines and Parquet: formats that name the fields of every row."""

import ast
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.lines import Block, blocks
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.values import typed


def read_json_lines(stream: Stream, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Read fields of one JSON object per line, typed, under the names of their roles.

    Raises:
        DataError: The file is empty, or a field occurs in no line of its first block.
        RowError: A line is no JSON object, or a value does not suit its column; unless bad rows are skipped.
    """
    frames: list[pl.DataFrame] = []
    for block in blocks(stream):
        texts, numbers = _quick(block, columns), None
        if texts is None:
            values = ((number, _value(line)) for number, line in _lines(block))
            texts, numbers = texts_of(values, stream.place, columns, bad)
        if not frames:
            check_named(texts, stream.place, columns)
        frames.append(
            typed(
                texts,
                columns,
                place=stream.place,
                line=lambda row, block=block, numbers=numbers: (numbers or _numbers(block))[row],  # type: ignore[misc]
                bad=bad,
            )
        )
    if not frames:
        raise DataError(f"{stream.place} is empty")
    return pl.concat(frames)


def json_objects(stream: Stream, bad: BadRows, *, literals: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's object with its number, for fields that are nested.

    Args:
        stream: The file.
        bad: Collects lines that are no objects.
        literals: Whether a line may be a Python literal, as in Amazon's metadata of 2014.

    Raises:
        DataError: The file is empty.
        RowError: A line is no object; unless bad rows are skipped.
    """
    empty = True
    for block in blocks(stream):
        empty = False
        for number, line in _lines(block):
            value = _value(line, literals=literals)
            if isinstance(value, dict):
                yield number, value
            else:
                bad.meet(_no_object(stream.place, number, value))
    if empty:
        raise DataError(f"{stream.place} is empty")


def read_parquet(stream: Stream, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Read columns of a Parquet file, typed, under the names of their roles; errors number rows from 1.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
        RowError: A value does not suit its column; unless bad rows are skipped.
    """
    data, place = stream.read(), stream.place
    try:
        names = pl.read_parquet_schema(io.BytesIO(data))
        missing = [column for column in columns if column.name not in names and not column.optional]
        if missing:
            raise DataError(
                f"{place} has no column {missing[0].name!r} for {missing[0].role}; it has: {', '.join(names)}"
            )
        there = {column.name for column in columns if column.name in names}
        frame = pl.read_parquet(io.BytesIO(data), columns=list(there))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # damaged pages make polars panic
        raise DataError(f"{place} is truncated or no Parquet file") from error
    # a column of times needs no parsing, so a format in the settings does not apply to it
    columns = [
        attrs.evolve(column, kind="iso")
        if column.kind == "form" and column.name in there and _is_time(frame[column.name])
        else column
        for column in columns
    ]
    texts = frame.select(
        _text(frame[column.name], column, place)
        if column.name in there
        else pl.lit(None, dtype=pl.String).alias(column.role)
        for column in columns
    )
    return typed(texts, columns, place=place, line=lambda row: row + 1, bad=bad)


def _text(values: pl.Series, column: Column, place: str) -> pl.Series:
    """Convert values to text in the column's unit, so that all file formats are checked in the same way."""
    if _is_time(values) and column.role == "timestamp":
        if column.kind == "iso":
            return values.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d %H:%M:%S%.3f").alias(column.role)
        unit = 1_000 if column.kind == "s" else 1 if column.kind == "ms" else 0.001
        return (values.cast(pl.Datetime("ms")).cast(pl.Int64) / unit).cast(pl.String).alias(column.role)
    if values.dtype.is_float() and column.kind in {"id", "whole"}:
        values = _whole(values, column, place)
    try:
        return values.cast(pl.String).alias(column.role)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{place}: the column {column.name!r} holds {values.dtype}, which is no text or number"
        ) from error


def _is_time(values: pl.Series) -> bool:
    return isinstance(values.dtype, pl.Datetime | pl.Date)


def _quick(block: Block, columns: Sequence[Column]) -> pl.DataFrame | None:
    """Read the fields as text with polars; None if a line is no object, or an id may be nested or a truth value."""
    # polars would turn nested values and truth values into text, and these are no ids
    if any(_nested(column.name).search(block.data) for column in columns if column.kind == "id"):
        return None
    try:
        frame = pl.read_ndjson(block.data, schema={column.name: pl.String for column in columns})
    except pl.exceptions.PolarsError:  # its message quotes the line, and with it a user id
        return None
    return frame.select(pl.col(column.name).alias(column.role) for column in columns)


def texts_of(
    values: Iterable[tuple[int, object]], place: str, columns: Sequence[Column], bad: BadRows, *, each: str = "line"
) -> tuple[pl.DataFrame, list[int]]:
    """Return the fields of JSON values as text, and the number of each object.

    Args:
        values: The values with their numbers.
        place: The file, for errors.
        columns: The fields.
        bad: Collects values that are no objects, or whose ids are invalid.
        each: Word for the container of a value, for errors.
    """
    rows, numbers = [], []
    for number, value in values:
        if not isinstance(value, dict):
            bad.meet(_no_object(place, number, value, each))
            continue
        odd = next((c.name for c in columns if c.kind == "id" and _is_odd(value.get(c.name))), None)
        if odd is not None:
            bad.meet(RowError(place, number, f"{odd} is a JSON {type(value[odd]).__name__}; it should be a name"))
            continue
        rows.append([_plain(value.get(column.name)) for column in columns])
        numbers.append(number)
    return pl.DataFrame(rows, schema={column.role: pl.String for column in columns}, orient="row"), numbers


def _whole(values: pl.Series, column: Column, place: str) -> pl.Series:
    """Convert ids that are whole numbers stored as floats to integers; return others unchanged.

    Raises:
        DataError: Some are so large that neighbouring integers are the same float.
    """
    there = values.fill_nan(None)
    whole = there.cast(pl.Int64, strict=False)
    if not (whole.cast(pl.Float64) == there.cast(pl.Float64)).all() or whole.null_count() > there.null_count():
        return values
    exact = 2 ** (24 if values.dtype == pl.Float32 else 53)
    if (whole.abs() > exact).any():
        raise DataError(
            f"{place} holds {column.role} ids in {column.name} as floats above {exact:,}, where different ids are stored as "
            "one number; store them as whole numbers or text"
        )
    return whole


def _nested(name: str) -> "re.Pattern[bytes]":
    """Return a pattern of a field whose value begins like a list, an object or a truth value."""
    return re.compile(rb'"' + re.escape(json.dumps(name)[1:-1].encode()) + rb'"\s*:\s*[\[{tf]')


def _is_odd(value: object) -> bool:
    """Return True if a value cannot be an id: neither text, nor a number, nor null."""
    return isinstance(value, bool) or not (value is None or isinstance(value, str | int | float))


def _plain(value: object) -> str | None:
    """Convert a JSON value to text as polars does: whole numbers without a fraction.

    >>> _plain(12.0), _plain("a"), _plain([1])
    ('12', 'a', '[1]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else json.dumps(value)


def check_named(texts: pl.DataFrame, place: str, columns: Sequence[Column], *, each: str = "line") -> None:
    """Raise if a field occurs in none of the objects.

    Raises:
        DataError: A field that is not optional occurs in none of them.
    """
    for column in columns:
        if not column.optional and len(texts) and texts[column.role].null_count() == len(texts):
            raise DataError(f"{place} has no field {column.name!r} for {column.role} in any {each}")


def _lines(block: Block) -> Iterator[tuple[int, bytes]]:
    lines = enumerate(block.data.split(b"\n"), start=block.line)
    return ((number, line) for number, line in lines if line.strip())


def _numbers(block: Block) -> list[int]:
    return [number for number, _ in _lines(block)]


def _value(line: bytes, *, literals: bool = False) -> object:
    """Parse a line; return the error if it cannot be parsed."""
    try:
        return value_of(line)
    except (ValueError, RecursionError) as error:
        if not literals:
            return error
    try:
        return ast.literal_eval(line.decode())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        return error


def value_of(text: bytes) -> object:
    """Parse a JSON text, with texts that can be stored as UTF-8.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    return storable(json.loads(text)) if rb"\ud" in text.lower() else json.loads(text)


def storable(value: Any) -> Any:
    """Replace lone surrogates, which JSON can escape and UTF-8 cannot encode."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()  # spelt out, so that two ids stay two
    if type(value) is list:
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


def _no_object(place: str, number: int, value: object, each: str = "line") -> RowError:
    if isinstance(value, Exception):
        return RowError(place, number, "the line is not JSON; each line should be one object")
    return RowError(place, number, f"the {each} is a JSON {type(value).__name__}; each {each} should be one object")
