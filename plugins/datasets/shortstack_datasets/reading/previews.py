"""The first rows of a table: its columns, and the settings that its text needs."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

import attrs

from shortstack.contracts.separator_line import separator_line
from shortstack.errors import DataError
from shortstack_datasets.reading.forms import Form
from shortstack_datasets.reading.headers import SEPARATORS, are_headings, fields_of
from shortstack_datasets.reading.kinds import JSON, PARQUET, TEXT, kind_of
from shortstack_datasets.reading.parts import Parts
from shortstack_datasets.reading.sources import first_lines, opened

_ROWS: Final = 1_000
"""Rows of a Parquet file that are looked at; of text, those in its first 64 KiB."""


@attrs.frozen(kw_only=True)
class Preview:
    """The first rows of a table.

    Attributes:
        columns: Column → its first values.
        settings: Settings of the format, where they differ from the adapter's defaults.
    """

    columns: Mapping[str, Sequence[object]]
    settings: Mapping[str, object] = attrs.field(factory=dict)


def preview(parts: Parts) -> Preview:
    """Return the first rows of the first part.

    Raises:
        DataError: It is damaged, or not of the format that its ending says.
    """
    name = parts.names[0]
    kind = kind_of(PurePath(name))
    if kind in PARQUET:
        return _of_parquet(parts, name)
    return _of_json(parts, name) if kind in JSON else _of_text(first_lines(parts.files, name), TEXT[kind])


def _of_parquet(parts: Parts, name: str) -> Preview:
    import polars as pl

    from shortstack_datasets.reading.parquet import parquet_bytes, whole_parquet

    with opened(parts.files, name) as stream:
        data = parquet_bytes(stream)
        with whole_parquet(stream.place):
            frame = pl.read_parquet(io.BytesIO(data), n_rows=_ROWS)
    return Preview(columns=frame.to_dict(as_series=False))


def _of_json(parts: Parts, name: str) -> Preview:
    from shortstack_datasets.reading.arrays import entries

    lines = first_lines(parts.files, name)
    if lines[0].lstrip().startswith("["):
        with opened(parts.files, name) as stream:
            return Preview(columns=_by_column(entries(stream)))
    try:
        return Preview(columns=_by_column(map(json.loads, filter(str.strip, _whole(lines)))))
    except ValueError as error:
        raise DataError(f"{parts.files.place(name)} does not hold a JSON object in each line") from error


def _by_column(rows: Iterable[Any]) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {}
    for row in rows:
        for field, value in row.items() if isinstance(row, dict) else ():
            columns.setdefault(field, []).append(value)
    return columns


def _of_text(lines: Sequence[str], usual: str) -> Preview:
    declared = separator_line(lines[0].encode())  # the adapter reads it from the file, too
    if declared is not None:
        lines, usual = lines[1:], declared[0]
    separator = max((usual, *SEPARATORS), key=lambda one: _width(lines, one))
    form = Form(separator=separator, quoted=len(separator) == 1)
    rows = [fields for fields in (fields_of(line, form) for line in _whole(lines) if line) if fields]
    apart = {} if separator == usual else {"separator": separator}
    if not rows:
        return Preview(columns={})
    if _is_header(rows[0]):
        return Preview(columns=_under(rows[0], rows[1:]), settings=apart)
    numbers = [str(number) for number in range(1, len(rows[0]) + 1)]
    return Preview(columns=_under(numbers, rows), settings={**apart, "header": False})


def _whole(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines without the last, which may be cut off, unless it is the only one."""
    return lines[:-1] or lines


def _width(lines: Sequence[str], separator: str) -> int:
    """Return the number of fields of the first two lines, 0 where these differ."""
    form = Form(separator=separator, quoted=len(separator) == 1)
    widths = {len(fields_of(line, form)) for line in lines[:2] if line}
    return widths.pop() if len(widths) == 1 else 0


def _is_header(fields: Sequence[str]) -> bool:
    """Return True if fields are names: common ones of columns, or words without a number among them."""
    return are_headings(fields) or not any(field.strip()[:1].isdigit() for field in fields)


def _under(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, list[object]]:
    """Return the values of each column, of rows that have all of them."""
    return {name: [row[place] for row in rows if len(row) == len(names)] for place, name in enumerate(names)}
