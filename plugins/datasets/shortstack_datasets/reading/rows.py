"""Which lines make a row and which fields it has, by the rules of Python's strict ``csv``; most data are checked at once.

*Regular* data are split alike by every reader: each quote opens or closes a whole field, or is doubled within one; no
character is escaped; and a carriage return stands only before a line feed. Where data are not regular, or a row has
another number of fields than it should, ``csv`` itself goes through the lines.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Final

import attrs
import numpy as np

from shortstack_datasets.reading.forms import Form

_QUOTE: Final = ord('"')
_INSIDE: Final = bytes(range(128, 256))
_LIMIT: Final = Lock()
_UNENDED: Final = "unexpected end of data"
LONE_RETURN: Final = "a carriage return stands within a field"


@attrs.frozen(kw_only=True)
class Cut:
    """What is known of some data before they are read.

    Attributes:
        end: Where the last row ends that is whole.
        regular: Whether all of the data are regular.
    """

    end: int
    regular: bool


def cut(data: bytes, form: Form) -> Cut:
    """Find the end of the last whole row: a line end between quotes does not end a row, nor does an escaped one."""
    end = data.rfind(b"\n") + 1
    regular = is_regular(data, form)
    if not end or not (form.quoted or form.escape):
        return Cut(end=end, regular=regular)
    if not regular:
        return Cut(end=_end_by_csv(data, end, form), regular=False)
    quotes = data.count(b'"', 0, end) if form.quoted else 0
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return Cut(end=end, regular=True)


def is_regular(data: bytes, form: Form) -> bool:
    """Whether every reader splits these data alike; they may end within a row."""
    if form.escape and form.escape.encode() in data:
        return False
    if b"\r" in data and data.count(b"\r", 0, len(data) - 1) != data.count(b"\r\n"):
        return False
    return not form.quoted or b'"' not in data or _quotes_fit(np.frombuffer(data, np.uint8), ord(form.separator))


def _quotes_fit(data: "np.ndarray[tuple[int], np.dtype[np.uint8]]", separator: int) -> bool:
    """Whether each quote opens a field, closes it, or is one of two that stand for one within a field."""
    quotes = np.flatnonzero(data == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    doubled = opening[1:] == closing[: len(opening) - 1] + 1
    before, after = data[opening - 1], data[np.minimum(closing + 1, len(data) - 1)]
    opens = (before == separator) | (before == ord("\n")) | (opening == 0)
    opens[1:] |= doubled
    closes = (after == separator) | (after == ord("\n")) | (after == ord("\r")) | (closing == len(data) - 1)
    closes[: len(doubled)] |= doubled
    return bool(opens.all() and closes.all())


def count_rows(data: bytes, form: Form, fields: int) -> int | None:
    """How many rows regular data have; None if some row has another number of fields.

    Args:
        data: Whole rows, with ``form.character`` between fields; without a line end after the last.
        form: How they are written.
        fields: How many each row should have.
    """
    if fields == 1 and (
        data.startswith((b"\n", b"\r")) or b"\n\n" in data or b"\n\r" in data
    ):  # an empty line: no field
        return None
    separator = form.character.encode()
    row = separator * (fields - 1) + b"\n"
    marks = data.translate(None, _all_but(separator + b"\n" + b'"' * form.quoted))
    if form.quoted and b'"' in marks:
        if marks.count(b'"') % 2:  # one is never closed
            return None
        marks = _outside(marks)
    rows, rest = divmod(len(marks) + 1, len(row))
    return rows if not rest and marks + b"\n" == row * rows else None


def _all_but(kept: bytes) -> bytes:
    return bytes({*range(256)} - {*kept})


def _outside(marks: bytes) -> bytes:
    """Separators and line ends that are not between quotes."""
    values = np.frombuffer(marks, np.uint8)
    inside = np.bitwise_xor.accumulate((values == _QUOTE).view(np.uint8))
    return (values | inside << 7).tobytes().translate(None, b'"' + _INSIDE)


def split_rows(lines: Sequence[str], form: Form) -> list[tuple[int, list[str] | str]]:
    """Each row: the index of its first line, and its fields or what is wrong; then from the next line on.

    Args:
        lines: Each with its line feed.
        form: How fields are written.
    """
    if not (form.quoted or form.escape):
        return [(index, _split(line.rstrip("\r\n"), form.separator)) for index, line in enumerate(lines)]
    with _LIMIT:
        limit = csv.field_size_limit(sys.maxsize)  # one for the whole process, so it is put back
        try:
            return list(_split_by_csv(lines, form))
        finally:
            csv.field_size_limit(limit)


def _split(line: str, separator: str) -> list[str] | str:
    """As ``csv`` without quotes does, but for separators of any length."""
    if "\r" in line:
        return LONE_RETURN
    return line.split(separator) if line else []


def _split_by_csv(lines: Sequence[str], form: Form) -> Iterator[tuple[int, list[str] | str]]:
    start = 0
    while start < len(lines):
        reader = csv.reader(
            map(lines.__getitem__, range(start, len(lines))),
            delimiter=form.separator,
            quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE,
            escapechar=form.escape,
            strict=True,
        )
        read = 0
        try:
            for row in reader:
                yield start + read, row
                read = reader.line_num
        except csv.Error as error:
            yield start + read, LONE_RETURN if "new-line character" in str(error) else str(error)
            read += 1
        start += read


def _end_by_csv(data: bytes, end: int, form: Form) -> int:
    """Where the last row ends that does not go on behind ``end``.

    A line without a quote is a row, or within one: what is left out of these changes no other row. It is otherwise where the
    end of a line can be escaped.
    """
    lines = [f"{line}\n" for line in data[: end - 1].decode("latin-1").split("\n")]
    places = [place for place, line in enumerate(lines) if form.escape or '"' in line]
    found = split_rows([lines[place] for place in places], form)
    open_row = next((places[index] for index, row in found if row == _UNENDED), None)
    return end if open_row is None else sum(map(len, lines[:open_row]))
