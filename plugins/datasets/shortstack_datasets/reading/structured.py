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
    """Some plain fields of one JSON object a line, typed, under the names of their roles.

    Raises:
        DataError: The file is empty, or no line of its first block has one of the fields.
        RowError: A line is no JSON object, or a value is not what its column should hold; unless such are skipped.
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
    """Each line's object with its number, for fields that are not plain.

    Args:
        stream: The file.
        bad: What to do with a line that is none.
        literals: Whether a line may be a Python literal, as Amazon's metadata of 2014 are.

    Raises:
        DataError: The file is empty.
        RowError: A line is no object; unless such are skipped.
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
    """Some columns of a Parquet file, typed, under the names of their roles; errors count rows from 1.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
        RowError: A value is not what its column should hold; unless such rows are skipped.
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
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # pages that are damaged make it panic
        raise DataError(f"{place} is truncated or no Parquet file") from error
    # what is a time already is right whatever the setting says
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
    """As text in the unit that the column says, so that every format is checked alike."""
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
    """The fields as text; None if a line is no object, or a name may be no text."""
    if any(_nested(column.name).search(block.data) for column in columns if column.kind == "id"):
        return None
    try:
        frame = pl.read_ndjson(block.data, schema={column.name: pl.String for column in columns})
    except pl.exceptions.PolarsError:  # it quotes the line, and with it a user
        return None
    return frame.select(pl.col(column.name).alias(column.role) for column in columns)


def texts_of(
    values: Iterable[tuple[int, object]], place: str, columns: Sequence[Column], bad: BadRows, *, each: str = "line"
) -> tuple[pl.DataFrame, list[int]]:
    """The fields of JSON values as text, and the number of each object.

    Args:
        values: Each with its number.
        place: The file, for errors.
        columns: Which fields.
        bad: What to do with a value that is no object, or whose name is none.
        each: What holds a value, for errors.
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
    """Ids that are whole numbers stored as floats, as whole numbers; others as they are.

    Raises:
        DataError: Some are so large that floats do not tell neighbours apart.
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
    """Where a field begins like a list, an object or a truth value."""
    return re.compile(rb'"' + re.escape(json.dumps(name)[1:-1].encode()) + rb'"\s*:\s*[\[{tf]')


def _is_odd(value: object) -> bool:
    """Whether it is no name: neither text, nor a number, nor nothing."""
    return isinstance(value, bool) or not (value is None or isinstance(value, str | int | float))


def _plain(value: object) -> str | None:
    """As polars has it: whole numbers without a fraction."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else json.dumps(value)


def check_named(texts: pl.DataFrame, place: str, columns: Sequence[Column], *, each: str = "line") -> None:
    """Refuse objects none of which has one of the fields.

    Raises:
        DataError: That is so.
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
    """What a line says; an error if it says nothing."""
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
    """What a JSON text says, so that it can be stored.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    return storable(json.loads(text)) if rb"\ud" in text.lower() else json.loads(text)


def storable(value: Any) -> Any:
    """The same without halves of surrogate pairs, which JSON can escape and UTF-8 cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if type(value) is list:
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


def _no_object(place: str, number: int, value: object, each: str = "line") -> RowError:
    if isinstance(value, Exception):
        return RowError(place, number, "the line is not JSON; each line should be one object")
    return RowError(place, number, f"the {each} is a JSON {type(value).__name__}; each {each} should be one object")
