"""A full disk, whoever finds it, in one line: libraries say it in errors and words of their own."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from shortstack.errors import DiskFullError, ShortstackError

_NUMBERS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space on the device, the user's quota is used up, the file would be larger than is allowed."""
_IN_WORDS: Final = re.compile(
    # "(os error 28)" of Rust (safetensors, polars, tokenizers), "[errno 28]" of Arrow, C's own words, and torch's, which names no cause
    rf"(os error|errno)[ =:]*({'|'.join(map(str, _NUMBERS))})\b"
    rf"|{'|'.join(re.escape(os.strerror(number)) for number in _NUMBERS)}"
    r"|PytorchStreamWriter failed writing file",
    re.IGNORECASE,
)

_TRIAL_BYTES: Final = 1 << 20
"""Bytes that a disk has room for unless it is full: more than a library keeps back for the end of a file."""


def full_disk_behind(error: BaseException) -> BaseException | None:
    """Return the error that says that a disk is full, among an error and those that led to it; None if none does.

    >>> full_disk_behind(ValueError("I/O error: No space left on device (os error 28)"))
    ValueError('I/O error: No space left on device (os error 28)')
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if _says_so(link):
            return link
        seen.add(id(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return None


def _says_so(error: BaseException) -> bool:
    if isinstance(error, DiskFullError):
        return True
    if isinstance(error, ShortstackError):  # its message may quote data, and the cause is chained
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NUMBERS
    return isinstance(error, Exception) and _IN_WORDS.search(str(error)) is not None


def full_disk_at(path: Path) -> OSError | None:
    """Return the error that another megabyte behind a file ends in, if there is no room for it; None if there is.

    For errors of libraries that do not say that the disk is full. The file is not whole afterwards.
    """
    return _full_disk_when(lambda: path.open("ab"))


def _full_disk_in(folder: Path) -> OSError | None:
    return _full_disk_when(lambda: TemporaryFile(dir=folder))


def _full_disk_when(opening: Callable[[], IO[bytes]]) -> OSError | None:
    try:
        with opening() as file:
            file.write(bytes(_TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error if error.errno in _NUMBERS else None
    return None


@contextmanager
def full_disks_named(folder: Path, what: str, *, tries: bool = True) -> Iterator[None]:
    """Raise a full disk, found by any library or plugin while the context is open, as one error that says what to do.

    Args:
        folder: The folder that is written to, unless the error names a file.
        what: What is written there, in words.
        tries: After an error that does not say so, try whether there is room in the folder.

    Raises:
        DiskFullError: A disk is full.
    """
    try:
        yield
    except Exception as error:
        found = full_disk_behind(error)
        if found is None and tries and not isinstance(error, ShortstackError):
            found = _full_disk_in(folder)
        if found is None or isinstance(error, DiskFullError):
            raise
        if isinstance(found, OSError) and isinstance(found.filename, str | bytes):
            what = os.fsdecode(found.filename)
            folder = Path(what).parent
        raise no_room(folder, what, found) from found


def no_room(folder: Path, what: str, error: BaseException) -> DiskFullError:
    """Return the error about a full disk: what was written where, why it failed, and how much is free.

    Args:
        folder: The folder that was written to.
        what: What was written, in words.
        error: The error that says that the disk is full.
    """
    if isinstance(error, DiskFullError):
        return DiskFullError(str(error))
    why = " ".join(str(error).split())
    return DiskFullError(
        f"{what} cannot be written ({why}): the disk of {folder} has {_free(folder)} MB free; make room for it, and start "
        "the same command again: what was written before is kept"
    )


def _free(folder: Path) -> str:
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return f"{shutil.disk_usage(there).free / 1e6:,.0f}"
