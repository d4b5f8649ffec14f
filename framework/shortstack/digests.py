"""Digests of a folder's files, recorded when it is finished and compared when it is read."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import xxhash

from shortstack.boundaries import json_object
from shortstack.errors import DataError
from shortstack.files import link as linked
from shortstack.files import write_json, write_through
from shortstack.run_layout import RECORD

_FILES: Final = "files"
_OWN: Final = "digest"
_BLOCK: Final = 1 << 20
_KNOWN: dict[tuple[int, ...], str] = {}
"""Digests that this process has computed: a model is loaded by several stages, and hashed once."""


def seal(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    """Write a finished folder through to the disk, then its record with the size and digest of every file.

    Args:
        folder: The folder, whose files are all written.
        name: File name of the record.
        record: What else the record says, as JSON.
    """
    paths = [path for path in _files(folder) if path != folder / name]
    for path in paths:
        write_through(path)
    for inner in sorted({path.parent for path in paths} - {folder}):
        write_through(inner)
    files = {path.relative_to(folder).as_posix(): [path.stat().st_size, _digest(path)] for path in paths}
    write_record(folder / name, {**record, _FILES: files})


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record with a digest of itself, atomically."""
    write_json(path, with_digest(json.loads(json.dumps(record, default=str))))


def read_record(path: Path) -> dict[str, Any] | None:
    """Return a record; empty if it is not there, None if it is damaged. One of an earlier version has no digests."""
    try:
        record = json_object(path) if path.is_file() else {}
    except DataError:
        return None
    if _is_sealed(record) and record.get(_OWN) != _of_record(record):
        return None
    return record


def with_digest(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain JSON fields with a digest of themselves at the end."""
    return {**fields, _OWN: _of_record(fields)}


def checked_object(path: Path, wrong: str = "is no JSON object", advice: str = "write it anew") -> dict[str, Any]:
    """Read a JSON file that ``with_digest`` made, without its digest. One of an earlier version has none.

    Args:
        path: The file.
        wrong: As for ``boundaries.read_as``.
        advice: What to do about a file that is another than was written.

    Raises:
        DataError: It is no JSON object, or not as it was written.
    """
    fields = json_object(path, wrong, advice)
    if _OWN in fields and fields[_OWN] != _of_record(fields):
        raise DataError(f"{path} is not as it was written: its digest is of other content; {advice}")
    return {name: value for name, value in fields.items() if name != _OWN}


def is_unchecked(folder: Path, name: str = RECORD) -> bool:
    """Return True if a folder's record holds no digests, as an earlier version wrote it."""
    record = read_record(folder / name)
    return record is not None and not _is_sealed(record)


def damage(folder: Path, name: str = RECORD) -> str:
    """Return what of a folder is not as its record says, in words; empty if all is, or nothing is recorded.

    Files that are not in the record are ignored. All sizes are compared before any file is read.
    """
    record = read_record(folder / name)
    if record is None:
        return f"{folder / name} is damaged"
    files = {folder / relative: recorded for relative, recorded in record.get(_FILES, {}).items()}
    odd = (_odd_size(path, size) for path, (size, _) in files.items())
    changed = (
        f"{path} is damaged: it is not as it was written"
        for path, (_, known) in files.items()
        if known != _digest(path)
    )
    return next(filter(None, odd), "") or next(changed, "")


def require_whole(folder: Path) -> None:
    """Raise if a folder that a run made is not as it was written. A folder without a record is not checked.

    Raises:
        DataError: A file is damaged or missing.
    """
    found = damage(folder)
    if found:
        raise DataError(
            f"{found}; start the run that made {folder} again, or copy it again (if you changed it on purpose, remove "
            f"{folder / RECORD}, which holds the digests)"
        )


def contents(record: Mapping[str, Any], but: frozenset[str]) -> str | None:
    """Return a digest of all files in a record but some; None if the record holds no digests."""
    if _FILES not in record:
        return None
    return _of_record({name: file for name, file in record[_FILES].items() if name not in but})


def link(source: str, target: str) -> str:
    """Give a file a second name, or copy it where links cannot be made; a digest that is known of it stays known.

    A new name changes the file's status, by which its digest is known, and nothing in the file.
    """
    before = Path(source).stat()
    linked(source, target)
    after = Path(target).stat()
    known = _KNOWN.get(_identity(before))
    if known is not None and _identity(before)[:-1] == _identity(after)[:-1]:
        _KNOWN[_identity(after)] = known
    return target


def _is_sealed(record: Mapping[str, Any]) -> bool:
    return _FILES in record or _OWN in record


def _odd_size(path: Path, size: int) -> str:
    if not path.is_file():
        return f"{path} is missing"
    found = path.stat().st_size
    return "" if found == size else f"{path} is damaged: it has {found:,} bytes, and was written with {size:,}"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _of_record(record: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in record.items() if name != _OWN}
    return xxhash.xxh3_128_hexdigest(json.dumps(plain, sort_keys=True).encode())


def _digest(path: Path) -> str:
    """Return XXH3 of a file's content, 128 bits in hexadecimal."""
    same = _identity(path.stat())
    if same not in _KNOWN:
        _KNOWN[same] = _computed(path)
    return _KNOWN[same]


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what a file's content is known by: not its path, for finished folders are renamed; its last change comes last."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _computed(path: Path) -> str:
    state, block = xxhash.xxh3_128(), memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while read := file.readinto(block):
            state.update(block[:read])
    return state.hexdigest()
