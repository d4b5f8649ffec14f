"""Normalised bytes of a text file: no byte order mark, lines that end with line feeds, and nothing that is no text."""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from shortstack.contracts.first_bytes import LOOK, require_kind
from shortstack_datasets.reading.streams import Stream

_BOM: Final = b"\xef\xbb\xbf"
_LINE_ENDS: Final = 1 << 16
"""Number of bytes that are searched for line ends."""


def pieces(stream: Stream, size: int) -> Iterator[bytes]:
    """Yield a text piece by piece; carriage returns as line ends, as on old Macs, become line feeds.

    Raises:
        DataError: It is UTF-16, another kind of file, or damaged.
    """
    first = stream.read(max(size, _LINE_ENDS))
    require_kind(first[:LOOK], stream.place, "a text")
    old_mac = b"\n" not in first and b"\r" in first[:-1]
    first = first.removeprefix(_BOM)
    for piece in chain(
        (first[at : at + size] for at in range(0, len(first), size)), iter(lambda: stream.read(size), b"")
    ):
        yield piece.replace(b"\r", b"\n") if old_mac else piece
