"""Pointers of git-lfs, which stand where large files should be."""

from shortstack.errors import DataError

_POINTER = b"version https://git-lfs.github.com/spec/"
POINTERS_SIZE = 1024
"""Bytes that a pointer has at most. Source: git-lfs, docs/spec.md."""


def refuse_lfs_text(text: bytes, place: str) -> None:
    """Refuse what git-lfs left where a file should be, as a clone without git-lfs does.

    Raises:
        DataError: It is a pointer.
    """
    if text.startswith(_POINTER):
        size = next(
            (line.removeprefix(b"size ").decode() for line in text.splitlines() if line.startswith(b"size ")), "?"
        )
        raise DataError(
            f"{place} is a pointer of git-lfs, not the file itself, which has {size} bytes; run 'git lfs pull' in its repository"
        )
