"""Streams of a file's decompressed bytes: damage raises ``DataError``, and the expansion is limited."""

import bz2
import errno
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

import attrs

from shortstack.errors import DataError

_BLOCK: Final = 4 << 20
_SMALL: Final = 64 << 20
_EXPANSION: Final = 200
"""Largest expansion of a file that is not small: text reaches 10, and far more indicates a decompression bomb."""


@attrs.define(kw_only=True)
class Stream:
    """Decompressed bytes, to read once from the start.

    Attributes:
        file: File object of the decompressed bytes.
        place: The file's path, for errors.
        size: Stored size in bytes, compressed.
        problem: Message for damaged data.
        given: Number of decompressed bytes read so far.
        ahead: Bytes that were peeked at and not yet read.
    """

    file: IO[bytes]
    place: str
    size: int
    problem: str
    given: int = 0
    ahead: bytes = b""

    @classmethod
    def of(cls, file: IO[bytes], place: str, *, size: int, again: str) -> "Stream":
        """Return a stream that decompresses a file by its extension.

        Args:
            file: Its stored bytes.
            place: Its path, for errors.
            size: Stored size in bytes.
            again: Advice where it is damaged.
        """
        if place.lower().endswith(".gz"):
            unzipped = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
            return cls(file=unzipped, place=place, size=size, problem=f"is truncated or no gzip file; {again}")
        if place.lower().endswith(".bz2"):
            unzipped = cast("IO[bytes]", bz2.BZ2File(file))
            return cls(file=unzipped, place=place, size=size, problem=f"is truncated or no bzip2 file; {again}")
        return cls(file=file, place=place, size=size, problem=f"is damaged or truncated; {again}")

    def peek(self, size: int) -> bytes:
        """Return the next bytes without consuming them.

        Raises:
            DataError: The file is damaged there.
        """
        self.ahead = self.read(size)
        return self.ahead

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, or all that are left; fewer than requested only at the end.

        Raises:
            DataError: The file is damaged there, or exceeds the allowed expansion.
        """
        if 0 <= size <= len(self.ahead):
            taken, self.ahead = self.ahead[:size], self.ahead[size:]
            return taken
        pieces, size = [self.ahead] if self.ahead else [], size - len(self.ahead) if size > 0 else size
        self.ahead = b""
        while size:
            with intact(f"{self.place} {self.problem}"):
                piece = self.file.read(size if size > 0 else _BLOCK)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece) if size > 0 else 0
            self.given += len(piece)
            require_expansion(self.place, self.given, self.size)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def require_expansion(place: str, given: int, size: int) -> None:
    """Refuse a file that takes far more bytes than it has, before or while it is unpacked.

    Raises:
        DataError: It does.
    """
    if given > _SMALL and given > _EXPANSION * size:
        raise DataError(
            f"{place} grows to more than {_EXPANSION} times its {size:,} bytes, which no table does; "
            "unpack it yourself if it is what you want"
        )


@contextmanager
def intact(problem: str) -> Iterator[None]:
    """Turn whatever the standard library raises on damaged files into a ``DataError``; errors of the system pass."""
    try:
        yield
    except Exception as error:
        # an OSError without a number, or of seeking to before the start, is of the data; others are the system's
        of_system = isinstance(error, OSError) and error.errno not in {errno.EINVAL, None}
        if of_system or isinstance(error, DataError):
            raise
        raise DataError(problem) from error
