"""JSON lines and Parquet: formats that name the fields of every row."""

import ast
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs
import polars as pl

from shortstack.contracts.first_bytes import LOOK, require_kind
from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.lines import Block, blocks
from shortstack_datasets.reading.parquet_sizes import unpacked_size
from shortstack_datasets.reading.streams import Stream, require_expansion
from shortstack_datasets.reading.values import typed

_MOST_DIGITS: Final = 640
"""Digits of a number that Python reads whatever its limit is set to."""
ROWS: Final = 1 << 20
"""Rows of a Parquet file that are converted at once, as texts of some hundred bytes each."""
CATEGORY: Final = "category"
"""The role whose values may be lists, of several categories."""
_DIGITS: Final[Mapping[object, int]] = {pl.Float16: 11, pl.Float32: 24}
"""Binary digits of short floats: from two to the power of these, neighbouring integers are stored as one number."""
_ROUGH: Final = frozenset(_DIGITS)
_EXACT: Final = 2**53
"""From here on, neighbouring integers are the same 64-bit float."""


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
    return pl.concat(list(parquet_parts(stream, columns, bad)))


def parquet_parts(stream: Stream, columns: Sequence[Column], bad: BadRows) -> Iterator[pl.DataFrame]:
    """Yield some rows at a time of what ``read_parquet`` reads; at least one part, which may be empty.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
        RowError: A value does not suit its column; unless bad rows are skipped.
    """
    table = parquet_table(stream, columns)
    with whole_parquet(stream.place):
        rows, schema = table.select(pl.len()).collect().item(), table.collect_schema()
    # the notation of ids that are stored as floats depends on all of them
    size = ROWS if splittable(schema, columns) else max(rows, 1)
    for start in range(0, max(rows, 1), size):
        with whole_parquet(stream.place):
            frame = table.slice(start, size).collect()
        yield typed_frame(frame, columns, place=stream.place, line=lambda row, before=start: before + row + 1, bad=bad)  # type: ignore[misc]


def parquet_table(stream: Stream, columns: Sequence[Column]) -> pl.LazyFrame:
    """Return columns of a Parquet file as they are stored, to be read; those that are optional may be missing.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
    """
    data, place = parquet_bytes(stream), stream.place
    with whole_parquet(place):
        names = pl.read_parquet_schema(io.BytesIO(data))
    there = columns_there(list(names), columns, place)
    with whole_parquet(place):
        size = unpacked_size(data, {*there})
    require_expansion(place, size, len(data))
    return pl.scan_parquet(io.BytesIO(data)).select(there)


def parquet_bytes(stream: Stream) -> bytes:
    """Return a Parquet file as a whole.

    Raises:
        DataError: It is of another kind, or damaged.
    """
    data = stream.read()
    require_kind(data[:LOOK], stream.place, "a Parquet file")
    return data


def splittable(schema: Mapping[str, pl.DataType], columns: Sequence[Column]) -> bool:
    """Return False if a column of ids holds floats, whose notation as texts depends on all of its values."""
    kinds = (schema[column.name] for column in columns if column.kind in {"id", "whole"} and column.name in schema)
    return not any((kind.inner if isinstance(kind, pl.List | pl.Array) else kind).is_float() for kind in kinds)


def columns_there(names: Sequence[str], columns: Sequence[Column], place: str) -> list[str]:
    """Return the names of the columns that a table has.

    Raises:
        DataError: It lacks one that is not optional.
    """
    missing = [column for column in columns if column.name not in names and not column.optional]
    if missing:
        raise DataError(f"{place} has no column {missing[0].name!r} for {missing[0].role}; it has: {', '.join(names)}")
    return list(dict.fromkeys(column.name for column in columns if column.name in names))


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


@contextmanager
def whole_parquet(place: str) -> Iterator[None]:
    """Turn whatever polars raises of a damaged file into a ``DataError``; or of times with an offset for a time zone."""
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:  # of many kinds; damaged pages make polars panic
        if zone := re.search(r"parse time zone: '([^']*)'", str(error)):
            raise DataError(
                f"{place} holds times of the time zone {zone[1]!r}, which cannot be read; convert them to UTC"
            ) from error
        raise DataError(f"{place} is truncated or no Parquet file") from error


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


def _quick(block: Block, columns: Sequence[Column]) -> pl.DataFrame | None:
    """Read the fields as text with polars; None if a line is no object or may repeat a field, a value may be nested, or an id true or a long float."""
    # polars would turn nested values into text, and truth values and floats that stand for many numbers, which are no ids
    starts = {column.name: _MAYBE_NO_ID if column.kind == "id" else _NESTED for column in columns}
    if any(_starting(name, start).search(block.data) for name, start in starts.items()):
        return None
    try:
        frame = pl.read_ndjson(block.data, schema={column.name: pl.String for column in columns})
    except pl.exceptions.PolarsError:  # its message quotes the line, and with it a user id
        return None
    if any(_may_repeat(block, frame[column.name]) for column in columns):
        return None
    return frame.select(pl.col(column.name).alias(column.role) for column in columns)


def _may_repeat(block: Block, values: pl.Series) -> bool:
    """Return True if a line may hold a field twice: polars takes the first then, and Python, as most programs, the last."""
    spelled = {json.dumps(values.name, ensure_ascii=ascii_only).encode() for ascii_only in (True, False)}
    if sum(block.data.count(name) for name in spelled) == len(values) - values.null_count():
        return False
    key = rb"(?:" + b"|".join(map(re.escape, spelled)) + rb")\s*:"
    return re.search(key + rb"[^\n]*" + key, block.data) is not None


def texts_of(
    values: Iterable[tuple[int, object]], place: str, columns: Sequence[Column], bad: BadRows, *, each: str = "line"
) -> tuple[pl.DataFrame, list[int]]:
    """Return the fields of JSON values as text, and the number of each object.

    Args:
        values: The values with their numbers.
        place: The file, for errors.
        columns: The fields.
        bad: Collects values that are no objects, or with an invalid id or a nested value.
        each: Word for the container of a value, for errors.
    """
    rows, numbers = [], []
    for number, value in values:
        if not isinstance(value, dict):
            bad.meet(_no_object(place, number, value, each))
            continue
        odd = next((column for column in columns if _is_odd(value.get(column.name), column)), None)
        if odd is not None:
            bad.meet(RowError(place, number, _problem(value[odd.name], odd)))
            continue
        rows.append([_plain(value.get(column.name)) for column in columns])
        numbers.append(number)
    return pl.DataFrame(rows, schema={column.role: pl.String for column in columns}, orient="row"), numbers


def _problem(value: object, column: Column) -> str:
    if stands_for_many(value):
        return f"{column.name} is a float of {_EXACT:,} or more, where different ids are one number; write whole numbers or text"
    should_be = "a name" if column.kind == "id" else "a text or a number"
    return f"{column.name} is a JSON {type(value).__name__}; it should be {should_be}"


def _whole(values: pl.Series, column: Column, place: str) -> pl.Series:
    """Convert ids that are whole numbers stored as floats to integers; return others unchanged.

    Raises:
        DataError: Some are so large that neighbouring integers are the same float.
    """
    there = values.fill_nan(None)
    whole = there.cast(pl.Int64, strict=False)
    if not (whole.cast(pl.Float64) == there.cast(pl.Float64)).all() or whole.null_count() > there.null_count():
        return values
    exact = 2 ** _DIGITS[values.dtype] if values.dtype in _DIGITS else _EXACT
    # the next integer is stored as this one
    if (whole.abs() >= exact).any():
        raise DataError(
            f"{place} holds {column.role} ids in {column.name} as floats from {exact:,} on, where different ids are stored as "
            "one number; store them as whole numbers or text"
        )
    return whole


_NESTED: Final = rb"[\[{]"
"""How a list or a table begins."""
_MAYBE_NO_ID: Final = rb"(?:[\[{tf]|-?[0-9]{16,}\.|-?[0-9.]+[eE])"
"""How a value begins that may be no id: a list, a table, a truth value, a float of 16 digits or with an exponent."""


def _starting(name: str, start: bytes) -> "re.Pattern[bytes]":
    """Return a pattern of a field whose value begins with a pattern."""
    return re.compile(rb'"' + re.escape(json.dumps(name)[1:-1].encode()) + rb'"\s*:\s*' + start)


def _is_odd(value: object, column: Column) -> bool:
    """Return True if a value is nested and no list of categories, or if it is no id and should be one."""
    if column.role == CATEGORY and isinstance(value, list):
        return any(isinstance(one, list | dict) for one in value)
    no_id = isinstance(value, bool) or stands_for_many(value)
    return isinstance(value, list | dict) or (column.kind == "id" and no_id)


def stands_for_many(value: object) -> bool:
    """Return True for a float so large that neighbouring integers are the same float.

    >>> stands_for_many(9007199254740993.0), stands_for_many(9007199254740993), stands_for_many(5.0)
    (True, False, False)
    """
    return isinstance(value, float) and abs(value) >= _EXACT


def _plain(value: object) -> str | None:
    """Convert a JSON value to text as polars does: whole numbers without a fraction; values of a list are joined by ``|``.

    >>> _plain(12.0), _plain("a"), _plain(["a", None, 1])
    ('12', 'a', 'a|1')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "|".join(text for text in map(_plain, value) if text is not None)
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


def value_of(text: bytes, pairs: Callable[[list[tuple[str, Any]]], object] | None = None) -> object:
    """Parse a JSON text, with texts that can be stored as UTF-8; numbers that are too long for Python stay texts.

    Args:
        text: The JSON.
        pairs: Makes an object of its entries, as ``json`` has it; by default a dictionary of the last of each name.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (
        ValueError
    ):  # Python refuses numbers of more than 4,300 digits; only then is each looked at, which takes longer
        value = json.loads(text, object_pairs_hook=pairs, parse_int=_whole_number)
    return storable(value) if rb"\ud" in text.lower() else value


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) < _MOST_DIGITS else digits


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
