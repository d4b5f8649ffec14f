"""A small sample as files, in the formats that are read here: what the conformance kit tries the adapters on."""

import bz2
import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from shortstack.contracts import Sample
from shortstack.errors import DataError
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.kinds import JSON, PARQUET, TEXT, kind_of

Value = str | float | None
Rows = Sequence[Mapping[str, Value]]
Lines = Sequence[Sequence[Value]]


def interaction_rows(sample: Sample, unit: str) -> list[dict[str, Value]]:
    """Role → value, of each interaction and what is known of its item; times in a unit."""
    labels = {row["item"]: row for row in item_rows(sample)}
    return [
        {
            "user": row.user,
            "rating": row.rating,
            "timestamp": moment(row.timestamp, unit),
            **labels.get(row.item, {"item": row.item}),
        }
        for row in sample.rows
    ]


def item_rows(sample: Sample) -> list[dict[str, Value]]:
    """Role → value, of each item that has a title or a category."""
    return [
        {"item": item, "title": sample.titles.get(item), "category": sample.categories.get(item)}
        for item in dict.fromkeys([*sample.titles, *sample.categories])
    ]


def moment(milliseconds: int | str | None, unit: str) -> Value:
    """A time in ``"s"``, ``"ms"`` or ``"us"``, or as ``"iso"`` text; what is text stays as it is.

    >>> moment(86_400_000, "s"), moment(86_400_000, "iso"), moment("soon", "s")
    (86400, '1970-01-02T00:00:00Z', 'soon')
    """
    if milliseconds is None or isinstance(milliseconds, str):
        return milliseconds
    if unit == "iso":
        return datetime.fromtimestamp(milliseconds / 1_000, tz=UTC).isoformat().replace("+00:00", "Z")
    return {"s": milliseconds // 1_000, "ms": milliseconds, "us": milliseconds * 1_000}[unit]


def write_rows(
    path: Path,
    columns: Sequence[Column],
    rows: Rows,
    *,
    separator: str | None = None,
    encoding: str = "utf-8",
    header: bool = True,
    kind: str | None = None,
) -> None:
    """Write some roles of each row under their columns' names, in the format that the file's name tells, or ``kind``.

    Args:
        path: The file.
        columns: Which columns to write; where text has no header each is called by its place, from 1.
        rows: Role → value; None is nothing.
        separator: Between the fields of text; None for the usual one.
        encoding: Of text.
        header: Whether the first line of text names the columns.
        kind: The ending that tells the format; None for the file's own.

    Raises:
        DataError: The format cannot hold a value, or a column without a header is not called by a number.
    """
    kind = kind or kind_of(path)
    named = [{column.name: row.get(column.role) for column in columns} for row in rows]
    names = [column.name for column in columns]
    if kind in PARQUET:
        texts = {name: pl.Series([text_of(row[name]) or None for row in named], dtype=pl.String) for name in names}
        pl.DataFrame(texts).write_parquet(path)
        return
    if kind in JSON:
        data = "".join(json.dumps(row) + "\n" for row in named).encode()
    else:
        data = _delimited(names if header else _numbered(names), named, separator or TEXT[kind], encoding, header)
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".bz2":
        data = bz2.compress(data)
    path.write_bytes(data)


def write_lines(path: Path, lines: Lines, separator: str) -> None:
    """Write fields without quotes, as formats do that know none.

    Raises:
        DataError: A field holds the separator, so that the format cannot hold it.
    """
    path.write_text(_unquoted([[text_of(field) for field in line] for line in lines], separator), encoding="utf-8")


def write_objects(path: Path, objects: Sequence[Mapping[str, object]]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")


def dated(milliseconds: int | str | None, form: str) -> Value:
    """A time as text, in a form of ``strftime``; what is text stays as it is.

    >>> dated(86_400_000, "%Y-%m-%d")
    '1970-01-02'
    """
    if milliseconds is None or isinstance(milliseconds, str):
        return milliseconds
    return datetime.fromtimestamp(milliseconds / 1_000, tz=UTC).strftime(form)


def whole(number: float | str | None) -> Value:
    """A whole number without its fraction; anything else as it is."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _numbered(names: Sequence[str]) -> list[str]:
    """``1``, ``2``, … up to the last that is used."""
    for name in names:
        if not name.isdecimal():
            raise DataError(f"columns without a header are called 1, 2, …, so none can be called {name!r}")
    return [str(number) for number in range(1, max(int(name) for name in names) + 1)]


def _delimited(names: Sequence[str], rows: Rows, separator: str, encoding: str, header: bool) -> bytes:
    lines = [list(names)] if header else []
    lines += [[text_of(row.get(name)) for name in names] for row in rows]
    text = _joined(lines, separator)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        raise DataError(f"{encoding} cannot hold {text[error.start]!r}; use encoding = 'utf-8'") from error


def _joined(lines: Sequence[Sequence[str]], separator: str) -> str:
    """Fields are quoted where they must be; longer separators than one character know no quotes."""
    if len(separator.encode()) == 1:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=separator, lineterminator="\n").writerows(lines)
        return text.getvalue()
    return _unquoted(lines, separator)


def _unquoted(lines: Sequence[Sequence[str]], separator: str) -> str:
    for field in (field for line in lines for field in line):
        if separator in field:
            raise DataError(f"fields between {separator!r} cannot hold {field!r}; use a separator of one character")
    return "".join(separator.join(line) + "\n" for line in lines)


def text_of(value: Value) -> str:
    """What a text file says of a value; nothing of None."""
    return "" if value is None else str(value)
