"""A long text in blocks of whole rows, so that a file of any size is read in little memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs

from shortstack_datasets.reading.rows import Cut, before_line_ends
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.texts import pieces

SIZE: Final = 32 << 20
"""About how many bytes a block has."""


@attrs.frozen(kw_only=True, eq=False)
class Block:
    """Some lines of a text.

    Attributes:
        data: Their bytes, without the last line end; never empty.
        line: The number of the first of them in the file, from 1.
        regular: Whether they are known to be regular, as ``rows`` says.
    """

    data: bytes = attrs.field(repr=False)
    line: int
    regular: bool = False


def after_last_line(data: bytes) -> Cut:
    """Every line end ends a row."""
    return Cut(end=data.rfind(b"\n") + 1, regular=False)


def blocks(
    stream: Stream,
    cut: Callable[[bytes], Cut] = after_last_line,
    trim: Callable[[bytes, int], int] = before_line_ends,
) -> Iterator[Block]:
    """All lines of a text but for empty ones at its end.

    The next block is read while one is worked on.

    Args:
        stream: The text.
        cut: Where the last whole row of some data ends; one that never ends holds all that follows.
        trim: Where some data end without the line ends before a place.
    """
    found = _blocks(stream, cut, trim)
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, found, None)
        while (block := following.result()) is not None:
            following = reader.submit(next, found, None)
            yield block


def _blocks(stream: Stream, cut: Callable[[bytes], Cut], trim: Callable[[bytes, int], int]) -> Iterator[Block]:
    rest, line = b"", 1
    for piece in pieces(stream, SIZE):
        data = rest + piece
        known = cut(data)
        end = trim(data, max(known.end - 1, 0))  # empty lines wait for what follows them
        if not end:
            rest = data
            continue
        stop = data.find(b"\n", end) + 1
        yield Block(data=data[:end], line=line, regular=known.regular)
        rest, line = data[stop:], line + data.count(b"\n", 0, stop)
    if last := rest[: trim(rest, len(rest))]:
        yield Block(data=last, line=line, regular=cut(last).regular)
