"""Where files lie: in a folder or in a zip archive, opened the same way; and gzip undone."""

import errno
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import attrs

from shortstack.errors import DataError, SourceNotFoundError


class Files(Protocol):
    """Files that lie together."""

    @property
    def names(self) -> frozenset[str]:
        """Their names, without folders."""

    def place(self, name: str) -> str:
        """Where a file is, as the user would find it."""

    def open(self, name: str) -> IO[bytes]:
        """A file's bytes, uncompressed."""


@attrs.frozen(kw_only=True)
class Folder:
    """The files of one folder."""

    path: Path

    @property
    def names(self) -> frozenset[str]:
        """Their names."""
        return frozenset(entry.name for entry in self.path.iterdir() if entry.is_file())

    def place(self, name: str) -> str:
        """The file's path."""
        return str(self.path / name)

    def open(self, name: str) -> IO[bytes]:
        """The file."""
        return (self.path / name).open("rb")


@attrs.frozen(kw_only=True)
class Archive:
    """The files of one folder within a zip archive.

    Attributes:
        path: The archive.
        prefix: The folder within it: ``""``, or a name with a slash at its end.
    """

    path: Path
    prefix: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Their names, without the prefix."""
        inside = (name.removeprefix(self.prefix) for name in _members(self.path) if name.startswith(self.prefix))
        return frozenset(name for name in inside if name and "/" not in name)

    def place(self, name: str) -> str:
        """The archive's path and the member's, joined by a slash."""
        return f"{self.path}/{self.prefix}{name}"

    def open(self, name: str) -> IO[bytes]:
        """The member."""
        return zipfile.ZipFile(self.path).open(self.prefix + name)


def read(files: Files, name: str) -> bytes:
    """All bytes of a file.

    Raises:
        DataError: The archive is damaged there.
    """
    with _intact(f"{files.place(name)} is damaged or truncated; download the archive again"), files.open(name) as file:
        return file.read()


def count_lines(files: Files, name: str) -> int:
    """How many lines a file has; the last may lack its newline.

    Raises:
        DataError: The archive is damaged there.
    """
    lines, last = 0, b"\n"
    with _intact(f"{files.place(name)} is damaged or truncated; download the archive again"), files.open(name) as file:
        while block := file.read(1 << 20):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n")


@contextmanager
def _intact(problem: str) -> Iterator[None]:
    """What zipfile raises on damage, which is much, becomes one DataError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError) as error:
        raise DataError(problem) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # seeking to before the file's start; all others are the system's
            raise
        raise DataError(problem) from error


def look(source: Path) -> Iterator[Files]:
    """The places to look for files: a folder or an archive, then what lies one level deeper in it.

    Raises:
        SourceNotFoundError: ``source`` is not there.
        DataError: An archive cannot be opened.
    """
    if not source.exists():
        raise SourceNotFoundError(f"{source} is not there; give a folder or a zip archive")
    if source.is_file():
        if source.suffix == ".zip":
            yield from _archive(source)
        return
    yield Folder(path=source)
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            yield Folder(path=entry)
        elif entry.suffix == ".zip":
            yield from _archive(entry)


def _archive(path: Path) -> Iterator[Archive]:
    yield Archive(path=path)
    folders = sorted({name.partition("/")[0] + "/" for name in _members(path) if "/" in name})
    yield from (Archive(path=path, prefix=folder) for folder in folders)


def _members(path: Path) -> list[str]:
    with _intact(f"{path} is truncated or no zip archive; download it again"), zipfile.ZipFile(path) as archive:
        return archive.namelist()


def unzipped(path: Path) -> bytes:
    """A file's bytes; a ``.gz`` is decompressed.

    Raises:
        SourceNotFoundError: It is not there.
        DataError: The compressed file is damaged.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there, or is a folder; give one file")
    data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or no gzip file; download it again") from error
