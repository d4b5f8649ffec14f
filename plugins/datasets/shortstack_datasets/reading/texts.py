"""Normalised bytes of a text file: no byte order mark, lines that end with line feeds, and never UTF-16."""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from shortstack.errors import DataError
from shortstack_datasets.reading.streams import Stream

_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_LOOK: Final = 1 << 16
"""Number of bytes that are searched for line ends."""


def pieces(stream: Stream, size: int) -> Iterator[bytes]:
    """Yield a text piece by piece; carriage returns as line ends, as on old Macs, become line feeds.

    Raises:
        DataError: It is UTF-16, or damaged.
    """
    first = stream.read(max(size, _LOOK))
    if first.startswith(_UTF_16) or _is_wide(first):
        raise DataError(f"{stream.place} is UTF-16; write it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW")
    old_mac = b"\n" not in first and b"\r" in first[:-1]
    first = first.removeprefix(_BOM)
    for piece in chain(
        (first[at : at + size] for at in range(0, len(first), size)), iter(lambda: stream.read(size), b"")
    ):
        yield piece.replace(b"\r", b"\n") if old_mac else piece


def _is_wide(first: bytes) -> bool:
    """Return True if every second byte of the beginning is zero, as in UTF-16 without a byte order mark.

    >>> _is_wide("user".encode("utf-16-le")), _is_wide(b"user")
    (True, False)
    """
    start = first[:32]
    return len(start) > 3 and any(not any(start[side::2]) and all(start[1 - side :: 2]) for side in (0, 1))
