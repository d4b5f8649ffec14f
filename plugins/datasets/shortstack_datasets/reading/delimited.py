"""Delimited text, read by polars at full speed; Python's ``csv`` goes through the lines only where something is wrong."""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import attrs
import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.lines import Block, blocks
from shortstack_datasets.reading.sources import Files, opened
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.values import typed

Encoding = Literal["utf-8", "latin-1", "either"]
_UNIT_SEPARATOR: Final = "\x1f"
_WORDS: Final = ("user", "item", "rating", "star", "time", "date", "title", "name", "product", "movie", "id")
"""At least two of the names in a header hold one of these."""
_NUMBERS: Final = frozenset({"whole", "number", "s", "ms", "us", "iso", "clock"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_ .-]+")
"""A word that is no number: ``nan`` and ``inf`` are among these, but no two of them stand in one row by one mistake."""


@attrs.frozen(kw_only=True)
class Form:
    """How a text is delimited.

    Attributes:
        separator: Of any length; a long one is replaced, because fast readers know only single characters.
        names: Of the columns; empty if the first line holds them, or if they go by their numbers.
        header: Whether the first line names the columns; if it does not and ``names`` is empty, they are ``1``, ``2``, …
        quoted: Whether ``"`` may enclose fields.
        encoding: ``"either"`` is UTF-8, or else latin-1.
    """

    separator: str
    names: tuple[str, ...] = ()
    header: bool = True
    quoted: bool = False
    encoding: Encoding = "utf-8"

    @property
    def character(self) -> str:
        """What stands between fields when they are read."""
        return self.separator if len(self.separator.encode()) == 1 else _UNIT_SEPARATOR


@attrs.frozen(kw_only=True, eq=False)
class _Text:
    """A block of lines ready to be read.

    Attributes:
        place: The file, for errors.
        data: Lines of data as they stand in the file, a header left out.
        line: The number of the first.
        form: How they are delimited and encoded.
        names: The columns, in the order of the file.
    """

    place: str
    data: bytes = attrs.field(repr=False)
    line: int
    form: Form
    names: tuple[str, ...]


def read_text(files: Files, name: str, form: Form, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """``read_delimited`` of one of some files."""
    with opened(files, name) as stream:
        return read_delimited(stream, form, columns, bad)


def read_delimited(stream: Stream, form: Form, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Some columns of a text, typed, under the names of their roles.

    Raises:
        DataError: The file is empty, or a column is missing.
        RowError: A line is not in this encoding, has too many or too few fields, or a value is not what its column
            should hold; unless such rows are skipped.
    """
    frames: list[pl.DataFrame] = []
    names: tuple[str, ...] = ()
    for block in blocks(stream, quoted=form.quoted):
        if not frames:
            names = _names(block, form)
            _check_named(block, stream.place, names, form, columns)
        has_header = block.line == 1 and (form.header or _unexpected_header(block, stream.place, form, columns, bad))
        lines = block.data.partition(b"\n")[2] if has_header else block.data
        text = _Text(place=stream.place, data=lines, line=block.line + has_header, form=form, names=names)
        frames.append(_read_text(text, columns, bad))
    if not frames:
        raise DataError(f"{stream.place} is empty")
    return pl.concat(frames)


def _read_text(text: _Text, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    frame, numbers = _quick(text, columns), None
    if frame is None:
        frame, numbers = _one_by_one(text, bad)
    texts = frame.select(_texts(column, text.names) for column in columns)
    return typed(texts, columns, place=text.place, line=lambda row: (numbers or _numbers(text))[row], bad=bad)


def _texts(column: Column, names: Sequence[str]) -> pl.Expr:
    """What the file says of a column, null where it says nothing."""
    places = [pl.col(_place(names.index(name))) for name in column.names if name in names]
    if len(places) < len(column.names):
        return pl.lit(None, dtype=pl.String).alias(column.role)
    joined = pl.concat_str([place.str.zfill(2) for place in places], separator="-") if column.parts else places[0]
    return joined.alias(column.role)


def _first_line(block: Block, form: Form) -> str:
    line = block.data.partition(b"\n")[0].removesuffix(b"\r")
    return line.decode("latin-1" if form.encoding == "latin-1" else "utf-8", "replace")


def _names(block: Block, form: Form) -> tuple[str, ...]:
    if form.names:
        return form.names
    fields = _fields(_first_line(block, form), form)
    return tuple(fields) if form.header else tuple(str(number) for number in range(1, len(fields) + 1))


def _check_named(block: Block, place: str, names: tuple[str, ...], form: Form, columns: Sequence[Column]) -> None:
    missing = [
        (name, column) for column in columns for name in column.names if name not in names and not column.optional
    ]
    if not missing:
        return
    known = any(name in names for column in columns for name in column.names)
    shown = not form.header or _is_header(block, names, form, some_known=known)
    offer = f"it has: {', '.join(names)}" if shown else "is its first line a header?"
    name, column = missing[0]
    raise DataError(f"{place} has no column {name!r} for {column.role}; {offer}")


def _unexpected_header(block: Block, place: str, form: Form, columns: Sequence[Column], bad: BadRows) -> bool:
    """Whether the first line names the columns of a format that has no header; if so, that is said.

    It does if two or more columns of numbers and times hold words instead, which no single mistake does.
    """
    fields = dict(zip(form.names, _fields(_first_line(block, form), form), strict=False))
    numbers = [fields.get(name, "") for column in columns if column.kind in _NUMBERS for name in column.names]
    if len(numbers) < 2 or not all(_NAME.fullmatch(field.strip()) for field in numbers):
        return False
    bad.remark(f"{place}: the first line is a header, which this format does not have, and was left out")
    return True


def _is_header(block: Block, names: tuple[str, ...], form: Form, *, some_known: bool) -> bool:
    """Whether the first line can be shown: what is data, or a header and data in one line, may hold somebody's id.

    Data have digits and none of the names looked for, nor words that headers have; what was joined has more fields than
    the line after it.
    """
    following = block.data.partition(b"\n")[2].partition(b"\n")[0].decode("utf-8", "replace")
    digits = any(character.isdigit() for character in "".join(names))
    whole = len(_fields(following, form)) == len(names) if following else not digits
    named = sum(any(word in name.lower() for word in _WORDS) for name in names) >= 2
    return bool(names) and whole and (some_known or (named and not digits))


def _fields(line: str, form: Form) -> list[str]:
    """What is in one line that holds no line ends; nothing if it is no text of fields."""
    if form.character != form.separator:
        return line.split(form.separator)
    try:
        return next(csv.reader([line], delimiter=form.separator, quoting=_quoting(form)), [])
    except csv.Error:  # such as a field of more than 131,072 characters
        return []


def _quoting(form: Form) -> Literal[0, 3]:
    return csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE


def _place(index: int) -> str:
    """What polars calls the column at this index."""
    return f"column_{index + 1}"


def _utf8(text: _Text) -> bytes | None:
    """The lines as UTF-8, separated by one character; None if some are in another encoding."""
    data = text.data
    if not data.isascii():
        try:
            data.decode()
            if text.form.encoding == "latin-1":
                data = data.decode("latin-1").encode()
        except UnicodeDecodeError:
            if text.form.encoding == "utf-8":
                return None
            data = data.decode("latin-1").encode()
    if text.form.character != text.form.separator:
        return data.replace(text.form.separator.encode(), _UNIT_SEPARATOR.encode())
    return data


def _quick(text: _Text, columns: Sequence[Column]) -> pl.DataFrame | None:
    """The columns asked for, as they stand in the file, null where empty; None if a line is not as it should be."""
    data = _utf8(text)
    if data is None:
        return None
    if not data:
        return pl.DataFrame(schema={_place(index): pl.String for index in range(len(text.names))})
    wanted = {text.names.index(name) for column in columns for name in column.names if name in text.names}
    last = len(text.names) - 1
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=text.form.character,
            quote_char='"' if text.form.quoted else None,
            schema={_place(index): pl.String for index in range(len(text.names))},
            columns=[_place(index) for index in sorted(wanted | {last})],
        )
    except pl.exceptions.PolarsError:  # it quotes the line, and with it a user: the slow way names the line alone
        return None
    if not frame[_place(last)].null_count():  # a line that lacks fields lacks the last
        return frame
    if text.form.quoted and b'"' in data:
        return None
    return frame if data.count(text.form.character.encode()) == len(frame) * last else None


def _one_by_one(text: _Text, bad: BadRows) -> tuple[pl.DataFrame, list[int]]:
    """The rows that have all their fields, and the line that each starts on.

    Raises:
        RowError: A line is not in its encoding, has too many or too few fields, or a quote is never closed or closed
            within a field; unless such rows are skipped.
    """
    rows, numbers = [], []
    for number, row in _rows(text, bad):
        if len(row) == len(text.names):
            rows.append(row)
            numbers.append(number)
        else:
            bad.meet(RowError(text.place, number, f"{len(row)} fields, where there should be {len(text.names)}"))
    schema = {_place(index): pl.String for index in range(len(text.names))}
    return pl.DataFrame(rows, schema=schema, orient="row"), numbers


def _numbers(text: _Text) -> list[int]:
    return [number for number, _ in _rows(text, BadRows())]


def _rows(text: _Text, bad: BadRows) -> list[tuple[int, list[str]]]:
    """Each row with the line it starts on; after a row that cannot be read, from the next line on."""
    limit = csv.field_size_limit(sys.maxsize)  # one for the whole process, so it is put back
    try:
        return list(_parsed(text, bad))
    finally:
        csv.field_size_limit(limit)


def _parsed(text: _Text, bad: BadRows) -> Iterator[tuple[int, list[str]]]:
    lines = list(_lines(text, bad))
    start = 0
    while start < len(lines):
        reader = csv.reader(
            (line for _, line in lines[start:]), delimiter=text.form.character, quoting=_quoting(text.form), strict=True
        )
        read = 0
        try:
            for row in reader:
                yield lines[start + read][0], row
                read = reader.line_num
        except csv.Error as error:
            number = lines[start + read][0]
            bad.meet(RowError(text.place, number, f"the row that starts here cannot be read: {error}"))
            read += 1
        start += read


def _lines(text: _Text, bad: BadRows) -> Iterator[tuple[int, str]]:
    """Each line that is in its encoding, with its number and its end."""
    encoding = text.form.encoding
    for number, line in enumerate(text.data.split(b"\n"), start=text.line):
        try:
            decoded = line.decode("latin-1" if encoding == "latin-1" else "utf-8")
        except UnicodeDecodeError as error:
            if encoding == "utf-8":
                byte = f"byte 0x{line[error.start]:02x} is not UTF-8"
                problem = f"{byte}; the file may be latin-1 (encoding = 'latin-1')"
                bad.meet(RowError(text.place, number, problem))
                continue
            decoded = line.decode("latin-1")
        if text.form.character != text.form.separator:
            decoded = decoded.replace(text.form.separator, _UNIT_SEPARATOR)
        yield number, decoded + "\n"
