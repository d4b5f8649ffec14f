"""A file whose arrays are mapped into memory: what is read of it stays in a process's memory as long as the mapping does."""

from pathlib import Path
from typing import Self

import attrs


@attrs.frozen(kw_only=True)
class MappedFile:
    """A file as it was when it was mapped.

    Attributes:
        path: Its path.
        inode: Number of the file itself, which another file in its place does not have.
        changed: Time of its last change in nanoseconds.
    """

    path: Path
    inode: int
    changed: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the file that a path names now.

        Raises:
            OSError: There is none.
        """
        state = path.stat()
        return cls(path=path, inode=state.st_ino, changed=state.st_mtime_ns)

    def is_there(self) -> bool:
        """Return True if its path still names it, as it was."""
        return self.path.exists() and self == MappedFile.at(self.path)
