"""A case: files, a command on them, and what disturbs it; its ``repr`` is a snippet that tries it again."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class Limit:
    """What disturbs a command; afterwards the same command, undisturbed, must give what it gives without.

    Attributes:
        killed_at: Share of the CPU time of an undisturbed run after which the process is killed.
        file_bytes: The bytes that a file may have.
        disk_bytes: The bytes that the folder's own file system holds, beside what is there before.
    """

    killed_at: float | None = None
    file_bytes: int | None = None
    disk_bytes: int | None = None


@attrs.frozen(kw_only=True)
class Case:
    """A case.

    Attributes:
        command: Arguments of ``shortstack``, typed in the case's folder.
        base: What the folder holds to begin with: a folder of ``bases``.
        files: Path in the folder → content that is put there; None removes the file, a text makes a link to that path.
        writes: Files and folders that the command may change; all others must stay as they are.
        compared: Whether success must give what it gives on the base as it is.
        answers: What a publisher sends, one answer a connection, where the command downloads the edition ``attacked``.
        limit: What disturbs it.
    """

    command: tuple[str, ...]
    base: str = "nothing"
    files: Mapping[str, bytes | str | None] = attrs.field(factory=dict)
    writes: tuple[str, ...] = ()
    compared: bool = False
    answers: tuple[bytes, ...] = ()
    limit: Limit | None = None

    def undisturbed(self) -> "Case":
        """Return the same command on the base as it is."""
        return attrs.evolve(self, files={}, limit=None)

    def write(self, bases: Path, folder: Path) -> None:
        """Write the files into a new folder."""
        shutil.copytree(bases / self.base, folder, symlinks=True)
        for name, content in self.files.items():
            _put(folder / name, content)


def _put(path: Path, content: bytes | str | None) -> None:
    path.unlink(missing_ok=True)
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.symlink_to(content)
