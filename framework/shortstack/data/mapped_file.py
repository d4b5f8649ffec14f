"""A file whose arrays are mapped into memory: what is read of it stays in a process's memory as long as the mapping does."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

import attrs
import numpy as np
from numpy.typing import NDArray


@attrs.frozen(kw_only=True)
class MappedFile:
    """A file as it was when it was mapped.

    Attributes:
        path: Its path.
        inode: Number of the file itself, which another file in its place does not have.
        changed: Time of its last change in nanoseconds.
        arrays: The arrays that were mapped from it, by name.
    """

    path: Path
    inode: int
    changed: int
    arrays: Mapping[str, NDArray[Any]] = attrs.field(factory=dict, eq=False, repr=False)

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the file that a path names now.

        Raises:
            OSError: There is none.
        """
        return cls._in_state(path, path.stat())

    @classmethod
    def _in_state(cls, path: Path, state: os.stat_result) -> Self:
        return cls(path=path, inode=state.st_ino, changed=state.st_mtime_ns)

    def is_there(self) -> bool:
        """Return True if its path still names it, as it was."""
        return self.path.exists() and self == MappedFile.at(self.path)

    def is_opened_as(self, opened: IO[bytes]) -> bool:
        """Return True if an open file is this one, as it was."""
        return self == MappedFile._in_state(self.path, os.fstat(opened.fileno()))


@attrs.frozen(kw_only=True, eq=False)
class Pieces:
    """An array of a mapped safetensors file, for looking at pieces anywhere in it: they are read from the file.

    Looked at in the mapping, each would stay in the process's memory, with up to two megabytes around it that the system maps at
    once. Where the file is no longer there, they are looked at in the mapping, which still holds it.

    Attributes:
        array: int64 ``(values,)``: the array in the mapping.
        file: The file.
        start: Place of the array's first byte in the file.
    """

    array: NDArray[np.int64]
    file: MappedFile
    start: int

    @classmethod
    def of(cls, array: NDArray[np.int64], file: MappedFile, name: str) -> Self | NDArray[np.int64]:
        """Return the pieces of the file's array of this name; the array itself where the file is no longer there."""
        try:
            with file.path.open("rb") as opened:
                if not file.is_opened_as(opened):
                    return array
                length = int.from_bytes(opened.read(8), "little")
                header = json.loads(opened.read(length))
        except OSError:
            return array
        return cls(array=array, file=file, start=8 + length + int(header[name]["data_offsets"][0]))

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, piece: slice) -> NDArray[np.int64]:
        first, after, step = piece.indices(len(self))
        count = max(0, after - first)
        opened = self._opened() if step == 1 else None
        if opened is None:
            return self.array[piece]
        with opened:
            opened.seek(self.start + 8 * first)
            read = np.fromfile(opened, "<i8", count)
        # fewer without an error, where a disk gives up
        return read.astype(np.int64, copy=False) if len(read) == count else self.array[piece]

    def unread(self) -> NDArray[np.int64]:
        """Return the whole array in a mapping of its own, which is closed with the array; it is to be read."""
        opened = self._opened() if len(self) else None
        if opened is None:
            return self.array
        with opened:
            return np.memmap(opened, "<i8", "r", self.start, (len(self),))

    def _opened(self) -> IO[bytes] | None:
        """Open the file; None if it is no longer there, or another one is in its place."""
        try:
            opened = self.file.path.open("rb")
        except OSError:
            return None
        if self.file.is_opened_as(opened):
            return opened
        opened.close()
        return None
