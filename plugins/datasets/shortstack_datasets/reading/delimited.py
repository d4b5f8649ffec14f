"""Delimited text, read by polars; blocks with irregular rows are read line by line with Python's ``csv``."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Final

import attrs
import polars as pl

from shortstack.contracts.separator_line import LONGEST, separator_line
from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.forms import Encoding, Form
from shortstack_datasets.reading.headers import check_named, fields_of, is_unexpected_header
from shortstack_datasets.reading.lines import Block, blocks
from shortstack_datasets.reading.rows import (
    LONE_RETURN,
    before_line_ends,
    count_rows,
    cut,
    parts,
    split_rows,
    totals,
)
from shortstack_datasets.reading.sources import Files, opened
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.values import typed

__all__ = ["Encoding", "Form", "read_delimited", "read_text"]
_TAKEN: Final = (b"\xef\xbb\xbf", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""Beginnings that polars takes for a byte order mark, or for data compressed by zlib, gzip or zstd."""


@attrs.frozen(kw_only=True, eq=False)
class _Text:
    """A block of lines to read.

    Attributes:
        place: The file, for errors.
        data: Lines of data as they are in the file, without a header.
        line: The number of the first line.
        form: The format of the text.
        names: The columns, in the order of the file.
        regular: Whether the data are known to be regular, as defined in ``rows``.
    """

    place: str
    data: bytes = attrs.field(repr=False)
    line: int
    form: Form
    names: tuple[str, ...]
    regular: bool


def read_text(files: Files, name: str, form: Form, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Open a file and read it with ``read_delimited``."""
    with opened(files, name) as stream:
        return read_delimited(stream, form, columns, bad)


def read_delimited(stream: Stream, form: Form, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Read columns of a text, typed, under the names of their roles.

    A first line such as ``sep=;`` sets the separator, as in Excel, whatever the form says.

    Raises:
        DataError: The file is empty, or a column is missing or occurs twice.
        RowError: A line is not in this encoding, a row has too many or too few fields or a quote that strict ``csv``
            does not accept, whichever columns are read, or a value does not suit its column; unless bad rows are
            skipped.
    """
    frames: list[pl.DataFrame] = []
    names: tuple[str, ...] = ()
    form, start = _as_it_begins(stream, form)
    for block in blocks(stream, partial(cut, form=form), partial(before_line_ends, escape=form.escape), line=start):
        has_header = form.header and block.line == start
        if not frames:
            names = _names(block, form)
            check_named(block, stream.place, names, form, columns)
            if not has_header and is_unexpected_header(block, form, columns):
                has_header = True
                bad.remark(
                    f"{stream.place}: the first line is a header, which this format does not have, and was left out"
                )
        data = _after_first_line(block.data) if has_header else block.data
        line = block.line + has_header
        text = _Text(place=stream.place, data=data, line=line, form=form, names=names, regular=block.regular)
        frames.append(_read_text(text, columns, bad))
    if not frames:
        raise DataError(f"{stream.place} is empty")
    return pl.concat(frames)


def _as_it_begins(stream: Stream, form: Form) -> tuple[Form, int]:
    """Return the form with the separator that the first line may set, and the number of the line that follows."""
    found = separator_line(stream.peek(LONGEST))
    if found is None:
        return form, 1
    separator, length = found
    stream.read(length)
    return attrs.evolve(form, separator=separator), 2


def _after_first_line(data: bytes) -> bytes:
    end = data.find(b"\n")
    return data[end + 1 :] if end >= 0 else b""


def _names(block: Block, form: Form) -> tuple[str, ...]:
    if form.names:
        return form.names
    fields = fields_of(form.first_line(block.data), form)
    return tuple(fields) if form.header else tuple(str(number) for number in range(1, len(fields) + 1))


def _read_text(text: _Text, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    wanted = sorted({text.names.index(name) for column in columns for name in column.names if name in text.names})
    frame = _at_once(text, wanted, columns, bad)
    return pl.concat(_read_part(part, wanted, columns, bad) for part in _parts(text)) if frame is None else frame


def _at_once(text: _Text, wanted: Sequence[int], columns: Sequence[Column], bad: BadRows) -> pl.DataFrame | None:
    frame = _quick(text, wanted)
    return None if frame is None else _typed(text, columns, frame, cache(partial(_numbers, text, len(frame))), bad)


def _read_part(text: _Text, wanted: Sequence[int], columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    frame = _at_once(text, wanted, columns, bad) if text.data else None  # an empty part is one row without fields
    if frame is not None:
        return frame
    rows = _Rows()
    try:
        _one_by_one(text, wanted, bad, rows)
    except RowError:
        _typed(
            text, columns, rows.frame(wanted), lambda: rows.numbers, bad
        )  # raises for a wrong value in an earlier row
        raise
    return _typed(text, columns, rows.frame(wanted), lambda: rows.numbers, bad)


def _parts(text: _Text) -> Iterator[_Text]:
    line = text.line
    for part in parts(text.data, text.form):
        yield attrs.evolve(text, data=text.data[part.start : part.end], line=line, regular=part.regular)
        line += text.data.count(b"\n", part.start, part.end + part.line_end)


def _typed(
    text: _Text, columns: Sequence[Column], frame: pl.DataFrame, numbers: Callable[[], Sequence[int]], bad: BadRows
) -> pl.DataFrame:
    """Type the columns of rows that start on lines with these numbers."""
    texts = frame.select(_texts(column, text.names) for column in columns)
    return typed(texts, columns, place=text.place, line=lambda row: numbers()[row], bad=bad)


def _texts(column: Column, names: Sequence[str]) -> pl.Expr:
    """Return the text of a column in the file, null where it is missing."""
    places = [pl.col(_place(names.index(name))) for name in column.names if name in names]
    if len(places) < len(column.names):
        return pl.lit(None, dtype=pl.String).alias(column.role)
    joined = pl.concat_str([place.str.zfill(2) for place in places], separator="-") if column.parts else places[0]
    return joined.alias(column.role)


def _place(index: int) -> str:
    """Return polars' name of the column at an index."""
    return f"column_{index + 1}"


def _quick(text: _Text, wanted: Sequence[int]) -> pl.DataFrame | None:
    """Read columns as text with polars, null where empty; None if a row is bad or irregular."""
    if not text.data:
        return pl.DataFrame(schema={_place(index): pl.String for index in wanted})
    data = _utf8(text) if text.regular else None
    if data is None or data.startswith(_TAKEN):
        return None
    last = len(text.names) - 1
    rows, separators = totals(data, text.form) or (0, -1)
    if separators != rows * last:
        return None
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=text.form.character,
            quote_char='"' if text.form.quoted else None,
            schema={_place(index): pl.String for index in range(len(text.names))},
            columns=[_place(index) for index in sorted({*wanted, last})],
        )
    except pl.exceptions.PolarsError:  # its message quotes the line, and with it a user id; the slow path does not
        return None
    # polars gives null for a missing field and for an empty one. The total of separators is right, so if every row has
    # its last field, no row has a surplus one
    complete = not frame[_place(last)].has_nulls() or count_rows(data, text.form, len(text.names)) is not None
    return frame.select(map(_place, wanted)) if complete and len(frame) == rows else None


def _utf8(text: _Text) -> bytes | None:
    """Return the lines as UTF-8 with a separator of one character; None if that does not work for the whole block."""
    data = text.data
    if not data.isascii():
        try:
            data.decode()
            if text.form.encoding == "latin-1":
                data = data.decode("latin-1").encode()
        except UnicodeDecodeError:
            if text.form.encoding != "latin-1":  # with "either", the encoding is chosen line by line
                return None
            data = data.decode("latin-1").encode()
    separator, character = text.form.separator.encode(), text.form.character.encode()
    if separator == character:
        return data
    return None if character in data else data.replace(separator, character)


@attrs.define
class _Rows:
    """The wanted fields of complete rows, and the line that each row starts on."""

    values: list[list[str]] = attrs.field(factory=list)
    numbers: list[int] = attrs.field(factory=list)

    def frame(self, wanted: Sequence[int]) -> pl.DataFrame:
        columns = zip(*self.values, strict=True) if self.values else [()] * len(wanted)
        return pl.DataFrame(
            [pl.Series(_place(index), column, dtype=pl.String) for index, column in zip(wanted, columns, strict=True)]
        )


def _one_by_one(text: _Text, wanted: Sequence[int], bad: BadRows, rows: _Rows) -> None:
    """Add the complete rows to ``rows``.

    Raises:
        RowError: A line is not in its encoding, has too many or too few fields, or a quote is never closed or closed
            within a field; unless bad rows are skipped.
    """
    for number, row in _rows(text, bad):
        if isinstance(row, str):
            bad.meet(
                RowError(
                    text.place, number, f"the row that starts here cannot be read: {row}{_way_out(row, text.form)}"
                )
            )
        elif len(row) == len(text.names):
            rows.values.append([row[index] for index in wanted])
            rows.numbers.append(number)
        else:
            problem = f"{len(row)} fields, where there should be {len(text.names)}"
            bad.meet(RowError(text.place, number, problem))


def _way_out(problem: str, form: Form) -> str:
    if problem == LONE_RETURN:
        return "; lines should end with a line feed"
    if form.quoted and form.quoted_setting is not None:
        return f"; if quotes are plain characters here, set {form.quoted_setting} = false"
    return ""


def _numbers(text: _Text, rows: int) -> Sequence[int]:
    """Return the line that each row starts on, where none is bad."""
    if text.data.count(b"\n") + 1 == rows:
        return range(text.line, text.line + rows)
    return [number for number, _ in _rows(text, BadRows(skip=True))]


def _rows(text: _Text, bad: BadRows) -> Iterator[tuple[int, list[str] | str]]:
    """Return each row, or its problem, with the number of the line that it starts on."""
    lines = list(_lines(text, bad))
    rows = split_rows([line for _, line in lines], text.form)
    return ((lines[index][0], row) for index, row in rows)


def _lines(text: _Text, bad: BadRows) -> Iterator[tuple[int, str]]:
    """Yield each line that can be decoded, with its number; lines keep their line feed."""
    encoding = text.form.encoding
    setting = text.form.encoding_setting
    for number, line in enumerate(text.data.split(b"\n"), start=text.line):
        try:
            decoded = line.decode("latin-1" if encoding == "latin-1" else "utf-8")
        except UnicodeDecodeError as error:
            if encoding == "utf-8":
                way_out = f"the file may be latin-1 ({setting} = 'latin-1')" if setting else "write the file as UTF-8"
                bad.meet(RowError(text.place, number, f"byte 0x{line[error.start]:02x} is not UTF-8; {way_out}"))
                continue
            decoded = line.decode("latin-1")
        yield number, f"{decoded}\n"
