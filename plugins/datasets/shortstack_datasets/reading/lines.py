"""A long text in blocks of whole lines, so that a file of any size is read in little memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs

from shortstack_datasets.reading.streams import Stream

SIZE: Final = 32 << 20
"""About how many bytes a block has."""

_BOM: Final = b"\xef\xbb\xbf"


@attrs.frozen(kw_only=True, eq=False)
class Block:
    """Some lines of a text.

    Attributes:
        data: Their bytes, without the last line end; never empty.
        line: The number of the first of them in the file, from 1.
    """

    data: bytes = attrs.field(repr=False)
    line: int


def blocks(stream: Stream, *, quoted: bool = False) -> Iterator[Block]:
    """All lines of a text but for empty ones at its end; the byte order mark is left out.

    The next block is read while one is worked on.

    Args:
        stream: The text.
        quoted: Line ends between quotes do not end a line; a quote that is never closed holds all that follows.
    """
    found = _blocks(stream, quoted)
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, found, None)
        while (block := following.result()) is not None:
            following = reader.submit(next, found, None)
            yield block


def _blocks(stream: Stream, quoted: bool) -> Iterator[Block]:
    rest, line = b"", 1
    while piece := stream.read(SIZE):
        data = rest + (piece if stream.given > len(piece) else piece.removeprefix(_BOM))
        end = _end(data, quoted)
        while end and data[end - 1] in b"\r\n":  # empty lines wait for what follows them
            end -= 1
        if not end:
            rest = data
            continue
        stop = data.find(b"\n", end) + 1
        yield Block(data=data[:end], line=line)
        rest, line = data[stop:], line + data.count(b"\n", 0, stop)
    if last := rest.rstrip(b"\r\n"):
        yield Block(data=last, line=line)


def _end(data: bytes, quoted: bool) -> int:
    """Where the last whole line ends."""
    end = data.rfind(b"\n") + 1
    if not quoted:
        return end
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end
