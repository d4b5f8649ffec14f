"""Files that are written atomically, and read with a clear error if they are damaged."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from shortstack.boundaries import read_as
from shortstack.contracts.pointers import POINTERS_SIZE, refuse_lfs_text
from shortstack.errors import RunFolderError, ShortstackError, SourceNotFoundError, UnwritableError
from shortstack.full_disk import full_disk_at, full_disk_behind, no_room
from shortstack.posix import fcntl


def digest(path: Path) -> list[str]:
    """Return a file's name and a hash of its content: the same path may hold something else tomorrow."""
    with path.open("rb") as file:
        return [path.name, hashlib.file_digest(file, "sha256").hexdigest()]


def refuse_lfs_pointer(path: Path) -> None:
    """Raise if a file is a Git LFS pointer, as a clone without git-lfs leaves in place of a large file.

    Raises:
        DataError: It is a pointer; the message says how to fetch the file.
    """
    if path.is_file() and path.stat().st_size <= POINTERS_SIZE:
        refuse_lfs_text(path.read_bytes(), str(path))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically.

    Raises:
        UnwritableError: It cannot be written; what was there before still is.
    """
    with written_whole(path) as partial:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
        # half of a surrogate pair becomes its escape, as JSON has it
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and move it to ``path`` at the end, when it is on the disk.

    Raises:
        DiskFullError: There is no room for it; what was there before still is, and nothing else.
        UnwritableError: It cannot be written; what was there before still is, and nothing else.
    """
    partial = unfinished(path)
    try:
        yield partial
        write_through(partial)
        partial.replace(path)
        write_through(path.parent)
    except BaseException as error:
        full = full_disk_behind(error)
        if (
            full is None and isinstance(error, Exception) and not isinstance(error, ShortstackError)
        ):  # polars says "transport error" where a footer does not fit
            full = full_disk_at(partial)
        partial.unlink(missing_ok=True)
        if full is not None:
            raise no_room(path.parent, str(path), full) from error
        if not isinstance(error, OSError | SafetensorError):
            raise
        why = " ".join(str(error).split())
        raise UnwritableError(
            f"{path} cannot be written ({why}); make room for it, and start the same command again: what was written "
            "before is kept"
        ) from error


def write_through(path: Path) -> None:
    """Return when a file, or the names in a folder, are on the disk itself, so that a power cut cannot take them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some network file systems know no fsync of a folder
        if not (path.is_dir() and error.errno in {errno.EINVAL, errno.ENOTSUP}):
            raise
    finally:
        os.close(descriptor)


def link(source: str, target: str) -> str:
    """Give a file a second name, or copy it where links cannot be made; return the name."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target


def unfinished(path: Path) -> Path:
    """Return the temporary path to which a file is written before it is moved into place.

    >>> unfinished(Path("run", "result.json")).name
    '.result.json.partial'
    """
    return path.with_name(f".{path.name}.partial")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a path, which need not exist; other processes that lock it are refused.

    Raises:
        SourceNotFoundError: There is no such folder.
        RunFolderError: Another process holds it, or the file that says so is a link.
    """
    if not path.parent.is_dir():
        raise SourceNotFoundError(f"{path.parent} is no folder; make it first, or name another")
    lock = path.with_name(f".{path.name.removeprefix('.')}.lock")
    descriptor = _locked(lock, f"another process is writing {path}; wait for it, or name another file")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is locked: whoever opened it before sees that it is gone
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still the one that its path names."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:  # removed by its holder meanwhile
        return False


def _locked(lock: Path, refusal: str) -> int:
    """Open and lock a file that is removed when it is released.

    The file that was opened may have been removed by its last holder since; then the lock is on nothing, and the file that is
    there now may be locked by another. So it is opened again until what is locked is what is there.
    """
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise RunFolderError(f"{lock} is a link, which no lock of ours is; remove it") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise RunFolderError(refusal) from error
        if _is_at(lock, descriptor):
            return descriptor
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It is not JSON.
    """
    with read_as(path, "is damaged", "remove its folder, and the next run makes it again"):
        return json.loads(path.read_bytes())
