"""JSON lines: one object per line."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from shortstack.errors import DataError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.json_values import check_named, no_object, texts_of, value_of
from shortstack_datasets.reading.lines import Block, blocks
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.values import typed

_NESTED: Final = rb"[\[{]"
"""How a list or a table begins."""
_MAYBE_NO_ID: Final = rb"(?:[\[{tf]|-?[0-9]{16,}\.|-?[0-9.]+[eE])"
"""How a value begins that may be no id: a list, a table, a truth value, a float of 16 digits or with an exponent."""


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
                bad.meet(no_object(stream.place, number, value))
    if empty:
        raise DataError(f"{stream.place} is empty")


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


def _starting(name: str, start: bytes) -> "re.Pattern[bytes]":
    """Return a pattern of a field whose value begins with a pattern."""
    return re.compile(rb'"' + re.escape(json.dumps(name)[1:-1].encode()) + rb'"\s*:\s*' + start)


def _may_repeat(block: Block, values: pl.Series) -> bool:
    """Return True if a line may hold a field twice: polars takes the first then, and Python, as most programs, the last."""
    spelled = {json.dumps(values.name, ensure_ascii=ascii_only).encode() for ascii_only in (True, False)}
    if sum(block.data.count(name) for name in spelled) == len(values) - values.null_count():
        return False
    key = rb"(?:" + b"|".join(map(re.escape, spelled)) + rb")\s*:"
    return re.search(key + rb"[^\n]*" + key, block.data) is not None


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
