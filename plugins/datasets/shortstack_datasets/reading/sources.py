"""Files in a folder or in a zip archive, with one interface, and the search for an adapter's files among them."""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Protocol, TypeVar

import attrs

from shortstack.contracts.first_bytes import LOOK, require_kind
from shortstack.contracts.pointers import POINTERS_SIZE, refuse_lfs_text
from shortstack.errors import DataError, SourceNotFoundError
from shortstack_datasets.reading.kinds import unpacked_name
from shortstack_datasets.reading.streams import Stream, intact
from shortstack_datasets.reading.texts import pieces

Found = TypeVar("Found")


class Files(Protocol):
    """Files of one folder, or of one folder in an archive."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the files that the source names, without folders."""

    @property
    def beside(self) -> frozenset[str]:
        """Names of all files of the folder, which may describe the named ones."""

    def place(self, name: str) -> str:
        """Return the path of a file, for messages."""

    def size(self, name: str) -> int:
        """Return the stored size of a file in bytes, compressed."""

    def open(self, name: str, stack: ExitStack) -> IO[bytes]:
        """Open a file as stored, taken out of its archive; the stack closes it."""


@attrs.frozen(kw_only=True)
class Folder:
    """The files of one folder.

    Attributes:
        path: The folder.
        only: The one file that the source names, if it is not the folder.
    """

    path: Path
    only: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """Names of all files, or of the one that the source names."""
        return self.beside if self.only is None else frozenset({self.only})

    @property
    def beside(self) -> frozenset[str]:
        """Names of all files."""
        return frozenset(entry.name for entry in self.path.iterdir() if entry.is_file() and not _is_shadow(entry.name))

    def place(self, name: str) -> str:
        """Return the file's path."""
        return str(self.path / name)

    def size(self, name: str) -> int:
        """Return the file's size in bytes."""
        return (self.path / name).stat().st_size

    def open(self, name: str, stack: ExitStack) -> IO[bytes]:
        """Open the file."""
        return stack.enter_context((self.path / name).open("rb"))


@attrs.frozen(kw_only=True)
class Archive:
    """The files of one folder within a zip archive.

    Attributes:
        path: The archive.
        sizes: Name of each file, without the prefix → its compressed size in bytes.
        prefix: The folder within it: ``""``, or a name with a trailing slash.
    """

    path: Path
    sizes: Mapping[str, int] = attrs.field(repr=False, eq=False)
    prefix: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Names of the files, without the prefix."""
        return frozenset(self.sizes)

    @property
    def beside(self) -> frozenset[str]:
        """Names of the files, without the prefix."""
        return self.names

    def place(self, name: str) -> str:
        """Return the archive's path and the member's, joined by a slash."""
        return f"{self.path}/{self.prefix}{name}"

    def size(self, name: str) -> int:
        """Return the member's compressed size in bytes."""
        return self.sizes.get(name, 0)

    def open(self, name: str, stack: ExitStack) -> IO[bytes]:
        """Open the member."""
        archive = stack.enter_context(zipfile.ZipFile(self.path))
        return stack.enter_context(archive.open(self.prefix + name))


def _is_shadow(name: str) -> bool:
    """Return True for the files in which macOS stores file-system metadata: ``._ratings.csv``."""
    return name.startswith("._")


def stored_name(files: Files, among: Iterable[str], name: str) -> str | None:
    """Return the name under which a file is stored, plain or compressed; None if it is not there.

    Args:
        files: The files.
        among: Names of those that count.
        name: The file's name without the extension of a compression.

    Raises:
        DataError: It is stored more than once, for example plain and compressed, which is ambiguous.
    """
    stored = sorted(one for one in among if unpacked_name(one) == name)
    if len(stored) > 1:
        raise DataError(f"{files.place(name)} is there as {' and as '.join(stored)}; keep one of them")
    return stored[0] if stored else None


def require_one_copy(files: Files, name: str) -> None:
    """Raise if a file that is about to be read is there twice, packed in different ways: the copies may differ.

    Raises:
        DataError: It is.
    """
    stored_name(files, files.names if name in files.names else files.beside, unpacked_name(name))


@contextmanager
def opened(files: Files, name: str) -> Iterator[Stream]:
    """Open a file as a stream of decompressed bytes.

    Raises:
        SourceNotFoundError: It does not exist.
        DataError: Its archive is damaged, or it is not packed as its name says.
    """
    again = "download the archive again" if isinstance(files, Archive) else "download it again"
    with ExitStack() as stack:
        try:
            with intact(f"{files.place(name)} is damaged or truncated; {again}"):
                file, size = files.open(name, stack), files.size(name)
                beginning = _beginning(files, name)
        except FileNotFoundError:
            raise SourceNotFoundError(f"{files.place(name)} is not there") from None
        except OSError as error:
            raise DataError(f"{files.place(name)} cannot be read: {error.strerror or error}") from error
        refuse_lfs_text(beginning if size <= POINTERS_SIZE else b"", files.place(name))
        _require_packing(beginning, files.place(name))
        yield Stream.of(file, files.place(name), size=size, again=again)


def _beginning(files: Files, name: str) -> bytes:
    """Read the beginning of a file as stored."""
    with ExitStack() as stack:
        return files.open(name, stack).read(POINTERS_SIZE)


def _require_packing(beginning: bytes, place: str) -> None:
    """Raise if a file is not packed as its name says."""
    for ending, kind in ((".gz", "a gzip file"), (".bz2", "a bzip2 file"), (".zip", "a zip archive")):
        if place.lower().endswith(ending):
            require_kind(beginning[:LOOK], place, kind)


def count_lines(files: Files, name: str) -> int:
    """Count the lines of a file; the last may lack its newline.

    Raises:
        DataError: The archive is damaged there.
    """
    lines, last = 0, b"\n"
    with opened(files, name) as stream:
        for block in pieces(stream, 1 << 22):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n")


def first_line(files: Files, name: str) -> str:
    """Return a file's first line, or its first 64 KiB if it is longer."""
    return first_lines(files, name)[0]


def first_lines(files: Files, name: str) -> list[str]:
    """Return the lines of a file's first 64 KiB, of which the last may be cut off; one empty line for an empty file."""
    with opened(files, name) as stream:
        text = next(pieces(stream, 1 << 16), b"").decode("utf-8", "replace")
    return [line.rstrip("\r") for line in text.split("\n")]


def found(source: Path, recognise: Callable[[Files], Sequence[Found]], *, levels: int = 1) -> list[Found]:
    """Return what an adapter recognises in ``source`` itself, or else in its folders, down to ``levels`` levels.

    Raises:
        SourceNotFoundError: ``source`` does not exist.
        DataError: An archive cannot be opened, or holds paths that lead outside of it.
    """
    everything: list[Found] = []
    try:
        for level in _look(source, levels):
            for files in level:
                everything += recognise(files)
            if everything:
                break
    except SourceNotFoundError:  # an OSError as well, whose message is kept
        raise
    except OSError as error:
        raise DataError(f"{error.filename or source} cannot be read: {error.strerror or error}") from error
    return everything


def _look(source: Path, levels: int) -> Iterator[Iterable[Files]]:
    """Yield the folders and archives to search, level by level: the source first, then what is in it."""
    if not (source.is_file() or source.is_dir()):
        raise SourceNotFoundError(f"{source} is not there; give a folder or a zip archive")
    if source.is_file():
        if source.suffix.lower() == ".zip":
            root, *inside = _archive(source)
            yield [root]
            yield inside
        else:
            yield [Folder(path=source.parent, only=source.name)]
        return
    folders = [source]
    yield [Folder(path=source)]
    for _ in range(levels):
        entries = [entry for folder in folders for entry in sorted(folder.iterdir())]
        folders = [entry for entry in entries if entry.is_dir()]
        yield chain.from_iterable(
            [Folder(path=entry)] if entry.is_dir() else _archive(entry)
            for entry in entries
            if entry.is_dir() or entry.suffix.lower() == ".zip"
        )


def _archive(path: Path) -> Iterator[Archive]:
    whole = path.stat().st_size
    sizes: dict[str, dict[str, int]] = {"": {}}  # by folder, all in one pass: an archive may hold very many
    for member in _members(path):
        if member.filename.startswith("/") or ".." in member.filename.split("/"):
            raise DataError(f"{path} holds {member.filename!r}, a path outside of itself; do not trust this archive")
        folder, slash, name = member.filename.rpartition("/")
        inside = sizes.setdefault(folder + slash, {})
        if name and not _is_shadow(name):
            inside[name] = min(member.compress_size, whole)  # a damaged archive may state any size
    yield from (
        Archive(path=path, sizes=sizes[folder], prefix=folder) for folder in sorted(sizes) if folder.count("/") <= 1
    )


def _members(path: Path) -> list[zipfile.ZipInfo]:
    with path.open("rb") as file:
        beginning = file.read(POINTERS_SIZE)
    # a pointer of Git LFS may be in the place of the archive
    if path.stat().st_size <= POINTERS_SIZE:
        refuse_lfs_text(beginning, str(path))
    _require_packing(beginning, str(path))
    with intact(f"{path} is truncated or no zip archive; download it again"), zipfile.ZipFile(path) as archive:
        return archive.infolist()
