"""Delimited text, read by polars at full speed; Python's ``csv`` looks for the bad line only after a failure."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

import attrs
import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.columns import Column, typed

_UNIT_SEPARATOR = "\x1f"
_BOM = b"\xef\xbb\xbf"


@attrs.frozen(kw_only=True, eq=False)
class Delimited:
    """A delimited text in memory.

    Attributes:
        place: The file it came from, for errors.
        data: UTF-8, without byte order mark, empty lines at the end left out.
        separator: One ASCII character.
        names: The columns, in the order of the file.
        header: Whether the first line holds the names.
        quoted: Whether ``"`` may enclose fields.
    """

    place: str
    data: bytes = attrs.field(repr=False)
    separator: str
    names: tuple[str, ...]
    header: bool
    quoted: bool


def delimited(
    data: bytes,
    place: str,
    *,
    separator: str,
    names: Sequence[str] | None = None,
    encoding: str = "utf-8",
    quoted: bool,
) -> Delimited:
    """Make raw bytes ready to be read.

    Args:
        data: The file.
        place: Its path, for errors.
        separator: Of any length; a long one is replaced, because fast readers know only single characters.
        names: Of the columns; None if the first line holds them.
        encoding: ``"utf-8"``, ``"latin-1"``, or ``"either"``: the first, or else the second.
        quoted: Whether ``"`` may enclose fields.

    Raises:
        RowError: A line is not in this encoding.
        DataError: The file is empty.
    """
    text = _utf8(data.removeprefix(_BOM), place, encoding)
    if len(separator) > 1:
        text, separator = text.replace(separator.encode(), _UNIT_SEPARATOR.encode()), _UNIT_SEPARATOR
    stripped = text.rstrip(b"\r\n") if text.endswith((b"\n\n", b"\n\r\n")) else text
    if not stripped:
        raise DataError(f"{place} is empty")
    header = names is None
    if names is None:
        names = _fields(stripped.partition(b"\n")[0].decode(), separator, quoted)
    return Delimited(place=place, data=stripped, separator=separator, names=tuple(names), header=header, quoted=quoted)


def read_columns(text: Delimited, columns: Sequence[Column]) -> pl.DataFrame:
    """Some of its columns, typed, under the names of their roles.

    Raises:
        DataError: A column is missing.
        RowError: A line has too many or too few fields, or a value is not what its column should hold.
    """
    _check_named(text, columns)
    places = {column.role: _place(text.names.index(column.name)) for column in columns}
    frame = _frame(text, sorted({*places.values(), _place(len(text.names) - 1)}))
    if _may_be_short(text, frame) and (bad := _first_bad_line(text)):
        raise bad
    texts = frame.select(pl.col(place).alias(role) for role, place in places.items())
    return typed(texts, columns, place=text.place, line=lambda row: _line_of(text, row))


def _utf8(data: bytes, place: str, encoding: str) -> bytes:
    if data.isascii():
        return data
    if encoding == "latin-1":
        return data.decode("latin-1").encode()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if encoding == "either":
            return data.decode("latin-1").encode()
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8; the file may be latin-1 (encoding = 'latin-1')"
        raise RowError(place, line, problem) from None  # the cause would quote the whole file
    return data


def _check_named(text: Delimited, columns: Sequence[Column]) -> None:
    missing = [column for column in columns if column.name not in text.names]
    if not missing:
        return
    shown = not text.header or _is_header(text, some_known=len(missing) < len(columns))
    offer = f"it has: {', '.join(text.names)}" if shown else "is its first line a header?"
    raise DataError(f"{text.place} has no column {missing[0].name!r} for {missing[0].role}; {offer}")


def _is_header(text: Delimited, *, some_known: bool) -> bool:
    """Whether the first line can be shown: what is data, or a header and data in one line, may hold somebody's id.

    Data have digits and none of the names looked for; what was joined has more fields than the line after it.
    """
    following = text.data.partition(b"\n")[2].partition(b"\n")[0].decode()
    digits = any(character.isdigit() for character in "".join(text.names))
    whole = len(_fields(following, text.separator, text.quoted)) == len(text.names) if following else not digits
    return bool(text.names) and whole and (some_known or not digits)


def _fields(line: str, separator: str, quoted: bool) -> list[str]:
    """What is in one line that holds no line ends; nothing if it is no text of fields."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        return next(csv.reader([line.rstrip("\r")], delimiter=separator, quoting=quoting), [])
    except csv.Error:  # such as a field of more than 131,072 characters
        return []


def _place(index: int) -> str:
    """What polars calls the column at this index."""
    return f"column_{index + 1}"


def _frame(text: Delimited, places: Sequence[str]) -> pl.DataFrame:
    """These columns as they stand in the file, null where empty."""
    with suppress(pl.exceptions.PolarsError):  # polars quotes the line, and with it a user
        return pl.read_csv(
            text.data,
            has_header=False,
            skip_lines=int(text.header),
            separator=text.separator,
            quote_char='"' if text.quoted else None,
            schema={_place(index): pl.String for index in range(len(text.names))},
            columns=places,
        )
    raise _first_bad_line(text) or DataError(
        f"{text.place} cannot be read as delimited text; check the separator and the quotes"
    )


def _may_be_short(text: Delimited, frame: pl.DataFrame) -> bool:
    """Whether a line may lack fields, which polars fills with nulls: told by counting separators, or the last column."""
    if text.quoted and b'"' in text.data:
        return frame[_place(len(text.names) - 1)].null_count() > 0
    separators = text.data.count(text.separator.encode())
    return separators != (len(frame) + text.header) * (len(text.names) - 1)


def _rows(text: Delimited) -> Iterator[tuple[int, list[str]]]:
    """Each row of data with the line it starts on.

    Raises:
        RowError: A quote is never closed, or closed within a field.
    """
    reader = csv.reader(
        io.StringIO(text.data.decode(), newline=""),
        delimiter=text.separator,
        quoting=csv.QUOTE_MINIMAL if text.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    line = 1
    try:
        for number, row in enumerate(reader):
            if number or not text.header:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise RowError(text.place, line, f"the row that starts here cannot be read: {error}") from error


def _line_of(text: Delimited, row: int) -> int:
    return next(line for number, (line, _) in enumerate(_rows(text)) if number == row)


def _first_bad_line(text: Delimited) -> RowError | None:
    """Which line has the wrong number of fields."""
    for line, row in _rows(text):
        if len(row) != len(text.names):
            return RowError(text.place, line, f"{len(row)} fields, where there should be {len(text.names)}")
    return None


def numbered(data: bytes, separator: str) -> list[str]:
    r"""The names ``1``, ``2``, … for the columns of a file without a header, whose first line may be quoted.

    >>> numbered(b'"Cats, and dogs",4\n', ",")
    ['1', '2']
    """
    first = data.partition(b"\n")[0].decode("latin-1").rstrip("\r")
    fields = _fields(first, separator, quoted=True) if len(separator) == 1 else first.split(separator)
    return [str(number) for number in range(1, len(fields) + 1)]
