"""Blocks of whole rows of a long text, so that a file of any size is read in little memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs

from shortstack_datasets.reading.rows import Cut, before_line_ends
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.texts import pieces

SIZE: Final = 32 << 20
"""Approximate size of a block in bytes."""


@attrs.frozen(kw_only=True, eq=False)
class Block:
    """Some lines of a text.

    Attributes:
        data: Their bytes, without the last line end; never empty.
        line: The number of the first line in the file, from 1.
        regular: Whether they are known to be regular, as defined in ``rows``.
    """

    data: bytes = attrs.field(repr=False)
    line: int
    regular: bool = False


def after_last_line(data: bytes) -> Cut:
    """Cut some data after their last line end; for formats where every line end ends a row."""
    return Cut(end=data.rfind(b"\n") + 1, regular=False)


def blocks(
    stream: Stream,
    cut: Callable[[bytes], Cut] = after_last_line,
    trim: Callable[[bytes, int], int] = before_line_ends,
    *,
    line: int = 1,
) -> Iterator[Block]:
    """Yield all lines of a text in blocks, except empty lines at its end.

    The next block is read while the caller works on one.

    Args:
        stream: The text.
        cut: Finds the end of the last whole row of some data; a row that never ends takes in all that follows.
        trim: Finds the end of some data without the line ends before a position.
        line: Number of the first line that is left of the text.
    """
    upcoming = _blocks(stream, cut, trim, line)
    # a single thread, for blocks must be read in order
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, upcoming, None)
        while (block := following.result()) is not None:
            following = reader.submit(next, upcoming, None)
            yield block


def _blocks(
    stream: Stream, cut: Callable[[bytes], Cut], trim: Callable[[bytes, int], int], line: int
) -> Iterator[Block]:
    rest = b""
    for piece in pieces(stream, SIZE):
        data = rest + piece
        known = cut(data)
        end = trim(data, max(known.end - 1, 0))  # empty lines are kept for the next block: at the end they are dropped
        if not end:
            rest = data
            continue
        stop = data.find(b"\n", end) + 1
        yield Block(data=data[:end], line=line, regular=known.regular)
        rest, line = data[stop:], line + data.count(b"\n", 0, stop)
    if last := rest[: trim(rest, len(rest))]:
        yield Block(data=last, line=line, regular=cut(last).regular)
