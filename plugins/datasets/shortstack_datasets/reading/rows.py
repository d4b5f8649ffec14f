"""Splitting of text into rows and fields by the rules of Python's strict ``csv``; most data are checked in bulk.

*Regular* data are split alike by every reader: each quote opens or closes a whole field, or is doubled within one; no
character is escaped; and a carriage return occurs only before a line feed. Where data are not regular, or a row has
another number of fields than it should, the lines go through ``csv`` itself.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from functools import reduce
from threading import Lock
from typing import Final

import attrs
import numpy as np

from shortstack_datasets.reading.forms import Form

_Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
_Words = np.ndarray[tuple[int], np.dtype[np.uint64]]
_QUOTE: Final = ord('"')
_LINE_FEED: Final = ord("\n")
_RETURN: Final = ord("\r")
_FIRST_BIT: Final = np.uint64(1)
_AT_ONCE: Final = 1 << 18
PART: Final = 1 << 19
"""Approximate number of bytes that are read line by line around an irregular row."""
_LIMIT: Final = Lock()
_UNENDED: Final = "unexpected end of data"
LONE_RETURN: Final = "a carriage return stands within a field"


@attrs.frozen(kw_only=True)
class Cut:
    """The end of the whole rows in some data.

    Attributes:
        end: Position after the last whole row.
        regular: Whether all of the data are regular.
    """

    end: int
    regular: bool


@attrs.frozen(kw_only=True)
class Part:
    """Some whole rows of some data.

    Attributes:
        start: Start of the first row.
        end: End of the last row, without its line end.
        regular: Whether they are regular.
        line_end: Length of that line end.
    """

    start: int
    end: int
    regular: bool
    line_end: int = 0


def cut(data: bytes, form: Form) -> Cut:
    """Find the end of the last whole row: a line end between quotes does not end a row, nor does an escaped one."""
    if is_regular(data, form):
        return _cut(data, form, regular=True)
    return Cut(end=max((part.end + part.line_end for part in _whole_parts(data, form)), default=0), regular=False)


def parts(data: bytes, form: Form) -> Iterator[Part]:
    """Yield short parts of whole rows, so that only rows near an irregular one are read line by line.

    Args:
        data: Whole rows, without a line end after the last.
        form: The format of the text.
    """
    start = 0
    for part in _whole_parts(data, form):
        yield part
        start = part.end + part.line_end
    yield Part(start=start, end=len(data), regular=is_regular(data[start:], form))


def _whole_parts(data: bytes, form: Form) -> Iterator[Part]:
    start = 0
    while start < len(data):
        known = _cut(data[start : start + PART], form)
        if not known.end and start + PART < len(data):  # a row is longer than a part
            known = _cut(data[start:], form)
        if not known.end:
            return
        stop = start + known.end
        end = stop - 1
        if data[start:end].endswith(b"\r") and not _is_escaped(data, end - 1, form.escape):
            end -= 1
        yield Part(start=start, end=end, regular=known.regular, line_end=stop - end)
        start = stop


def _cut(data: bytes, form: Form, *, regular: bool | None = None) -> Cut:
    regular = is_regular(data, form) if regular is None else regular
    end = data.rfind(b"\n") + 1
    if not end or not (form.quoted or form.escape):
        return Cut(end=end, regular=regular)
    if not regular:
        return Cut(end=_end_by_csv(data, end, form), regular=False)
    quotes = _count(_bits(np.frombuffer(data, np.uint8, end), _QUOTE)) if form.quoted and b'"' in data else 0
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return Cut(end=end, regular=True)


def is_regular(data: bytes, form: Form) -> bool:
    r"""Return True if every reader splits these data alike; they may end within a row.

    >>> form = Form(separator=",", quoted=True)
    >>> is_regular(b'1,"a, b"\n', form), is_regular(b'1,a "b"\n', form)
    (True, False)
    """
    if form.escape and form.escape.encode() in data:
        return False
    if b"\r" in data and data.count(b"\r", 0, len(data) - 1) != data.count(b"\r\n"):
        return False
    return not form.quoted or b'"' not in data or _quotes_fit(np.frombuffer(data, np.uint8), ord(form.separator))


def _quotes_fit(data: _Bytes, separator: int) -> bool:
    """Return whether each quote opens a field, closes it, or is one of a doubled pair within a field.

    Each byte is represented by a bit, 64 to a word, so that most steps read an eighth of the data's size.
    """
    quotes = _bits(data, _QUOTE)
    opening = quotes & _odd_so_far(quotes)
    closing = quotes ^ opening
    beside_fields = _bits(data, separator, _LINE_FEED, _RETURN)
    may_open, may_close = _next(beside_fields | closing), _previous(beside_fields | opening)
    may_open[0] |= _FIRST_BIT
    last = len(data) - 1
    may_close[last // 64] |= _FIRST_BIT << np.uint64(last % 64)
    return not (opening & ~may_open).any() and not (closing & ~may_close).any()


def _bits(data: _Bytes, *values: int) -> _Words:
    """Set the bit of each byte that has one of these values, 64 to a word, the first byte's lowest."""
    packed = np.zeros((len(data) + 63) // 64 * 8, np.uint8)
    for start in range(0, len(data), _AT_ONCE):  # pieces that fit into the processor's cache
        part = data[start : start + _AT_ONCE]
        bits = np.packbits(reduce(np.logical_or, [part == value for value in values]), bitorder="little")
        packed[start // 8 : start // 8 + len(bits)] = bits
    return packed.view("<u8")


def _count(bits: _Words) -> int:
    return int(np.bitwise_count(bits).sum())


def _odd_so_far(bits: _Words) -> _Words:
    """Set each bit up to which, inclusive, an odd number of bits is set: the prefix XOR."""
    odd = bits.copy()
    for width in (1, 2, 4, 8, 16, 32):
        odd ^= odd << np.uint64(width)
    odd_words = np.bitwise_xor.accumulate(odd >> np.uint64(63))
    odd[1:] ^= -odd_words[:-1]  # inverts all bits of a word if the words before have odd parity: −1 is all ones
    return odd


def _next(bits: _Words) -> _Words:
    """Move each bit to the next position."""
    moved = bits << np.uint64(1)
    moved[1:] |= bits[:-1] >> np.uint64(63)
    return moved


def _previous(bits: _Words) -> _Words:
    """Move each bit to the previous position."""
    moved = bits >> np.uint64(1)
    moved[:-1] |= bits[1:] << np.uint64(63)
    return moved


def totals(data: bytes, form: Form) -> tuple[int, int] | None:
    r"""Count the rows and the separators of regular data, much faster than ``count_rows``.

    None if a quote is never closed.

    Args:
        data: Whole rows, with ``form.character`` between fields; without a line end after the last.
        form: The format of the text.

    >>> totals(b'1,"a, b"\n2,c', Form(separator=",", quoted=True))
    (2, 2)
    """
    values = np.frombuffer(data, np.uint8)
    separators, ends = _bits(values, ord(form.character)), _bits(values, _LINE_FEED)
    if form.quoted and b'"' in data:
        quotes = _bits(values, _QUOTE)
        if _count(quotes) % 2:
            return None
        outside = ~_odd_so_far(quotes)
        separators, ends = separators & outside, ends & outside
    return _count(ends) + 1, _count(separators)


def count_rows(data: bytes, form: Form, fields: int) -> int | None:
    """Count the rows of regular data; None if a row has another number of fields.

    Args:
        data: Whole rows, with ``form.character`` between fields; without a line end after the last.
        form: The format of the text.
        fields: Expected number of fields of each row.
    """
    if fields == 1 and (
        data.startswith((b"\n", b"\r")) or b"\n\n" in data or b"\n\r" in data
    ):  # an empty line: no field
        return None
    separator = form.character.encode()
    row = separator * (fields - 1) + b"\n"
    marks = data.translate(None, _all_but(row + separator + b'"' * form.quoted))
    if b'"' in marks:
        if marks.count(b'"') % 2:  # one is never closed
            return None
        marks = _outside(marks)
    rows, rest = divmod(len(marks) + 1, len(row))
    return rows if not rest and _repeats(marks, row) else None


def _repeats(marks: bytes, row: bytes) -> bool:
    """Return whether ``marks`` consists of repetitions of ``row``, the last one without its last byte."""
    last = len(marks) + 1 - len(row)
    rows = np.frombuffer(marks, np.uint8)[:last].reshape(-1, len(row))
    return marks[last:] == row[:-1] and bool((rows == np.frombuffer(row, np.uint8)).all())


def _all_but(kept: bytes) -> bytes:
    return bytes({*range(256)} - {*kept})


def _outside(marks: bytes) -> bytes:
    """Return the separators and line ends that are not between quotes."""
    values = np.frombuffer(marks, np.uint8)
    quotes = _bits(values, _QUOTE)
    hidden = np.unpackbits((quotes | _odd_so_far(quotes)).view(np.uint8), count=len(values), bitorder="little")
    return bytes(values[hidden == 0])


def before_line_ends(data: bytes, end: int, escape: str | None = None) -> int:
    r"""Return the end of data without the line ends before ``end``; an escaped one is part of a field.

    >>> before_line_ends(b"a,b\r\n", 5)
    3
    """
    while end and data[end - 1] in b"\r\n" and not _is_escaped(data, end - 1, escape):
        end -= 1
    return end


def _is_escaped(data: bytes, place: int, escape: str | None) -> bool:
    mark, start = (escape or "").encode(), place
    while mark and data.startswith(mark, start - len(mark)) and start >= len(mark):
        start -= len(mark)
    return (place - start) // max(len(mark), 1) % 2 == 1


def split_rows(lines: Sequence[str], form: Form) -> list[tuple[int, list[str] | str]]:
    r"""Split lines into rows: the index of the first line, with the fields or the problem; a bad row ends with its line.

    Args:
        lines: The lines, each with its line feed.
        form: The format of the text.

    >>> split_rows(['1,"a\n', 'b"\n', '2,c\n'], Form(separator=",", quoted=True))
    [(0, ['1', 'a\nb']), (2, ['2', 'c'])]
    """
    if not (form.quoted or form.escape):
        return [(index, _split(line.rstrip("\r\n"), form.separator)) for index, line in enumerate(lines)]
    with _LIMIT:
        limit = csv.field_size_limit(sys.maxsize)  # the limit is global to the process, so it is restored
        try:
            return list(_split_by_csv(lines, form))
        finally:
            csv.field_size_limit(limit)


def _split(line: str, separator: str) -> list[str] | str:
    """Split a line as ``csv`` does without quotes, with separators of any length."""
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
    """Return the end of the last row that does not continue after ``end``.

    A line without a quote is a row, or is within one: leaving it out does not change other rows. That does not hold where
    line ends can be escaped, so there all lines are split.
    """
    lines = [f"{line}\n" for line in data[: end - 1].decode("latin-1").split("\n")]
    places = [place for place, line in enumerate(lines) if form.escape or '"' in line]
    rows = split_rows([lines[place] for place in places], form)
    open_row = next((places[index] for index, row in rows if row == _UNENDED), None)
    return end if open_row is None else sum(map(len, lines[:open_row]))
