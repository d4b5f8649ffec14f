"""Writing of small samples in the formats that are read here, for the conformance kit to test adapters on."""

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
    """Return each interaction with its item's labels, as role → value; times in a unit."""
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
    """Return each item that has a title or a category, as role → value."""
    return [
        {"item": item, "title": sample.titles.get(item), "category": sample.categories.get(item)}
        for item in dict.fromkeys([*sample.titles, *sample.categories])
    ]


def moment(milliseconds: int | str | None, unit: str) -> Value:
    """Convert a time to ``"s"``, ``"ms"`` or ``"us"``, or to ``"iso"`` text; return a text unchanged.

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
    """Write columns of rows, in the format of the file's extension or of ``kind``.

    Args:
        path: The file.
        columns: The columns to write; in text without a header, each must be named by its position, from 1.
        rows: Role → value; None for a missing value.
        separator: Separator of text; None for the default one.
        encoding: Encoding of text.
        header: Whether the first line of text names the columns.
        kind: Extension of the format; None for the file's own.

    Raises:
        DataError: The format cannot hold a value, or a column of a file without a header is not named by a number.
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
    """Write fields without quotes, for formats that have none.

    Raises:
        DataError: A field holds the separator, so that the format cannot hold it.
    """
    path.write_text(_unquoted([[text_of(field) for field in line] for line in lines], separator), encoding="utf-8")


def write_lists(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of texts and lists as Parquet; a list with a text in it, in any row, is one of texts."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    pl.DataFrame([_with_lists(name, values) for name, values in columns.items()]).write_parquet(path)


def _with_lists(name: str, values: Sequence[object]) -> pl.Series:
    lists = [[*value] for value in values if isinstance(value, list)]
    if not any(isinstance(value, str) for one in lists for value in one):
        return pl.Series(name, values)
    return pl.Series(name, [[None if value is None else str(value) for value in one] for one in lists])


def write_objects(path: Path, objects: Sequence[Mapping[str, object]]) -> None:
    """Write one JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in objects), encoding="utf-8")


def dated(milliseconds: int | str | None, form: str) -> Value:
    """Format a time by a ``strftime`` format; return a text unchanged.

    >>> dated(86_400_000, "%Y-%m-%d")
    '1970-01-02'
    """
    if milliseconds is None or isinstance(milliseconds, str):
        return milliseconds
    return datetime.fromtimestamp(milliseconds / 1_000, tz=UTC).strftime(form)


def whole(number: float | str | None) -> Value:
    """Return a whole number without its fraction; anything else unchanged.

    >>> whole(3.0), whole(3.5)
    (3, 3.5)
    """
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _numbered(names: Sequence[str]) -> list[str]:
    """Return the names ``1``, ``2``, … up to the last that is used."""
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
    """Join fields, quoted where necessary; with separators of several characters there are no quotes."""
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
    """Return a value as text; empty for None."""
    return "" if value is None else str(value)
