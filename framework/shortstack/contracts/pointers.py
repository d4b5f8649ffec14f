"""Git LFS pointers, which stand in place of large files."""

from shortstack.errors import DataError

_POINTER = b"version https://git-lfs.github.com/spec/"
POINTERS_SIZE = 1024
"""Largest size of a pointer in bytes. Source: git-lfs, docs/spec.md."""


def refuse_lfs_text(text: bytes, place: str) -> None:
    """Raise if a text is a Git LFS pointer, as a clone without git-lfs leaves in place of a file.

    Raises:
        DataError: The text is a pointer.
    """
    if text.startswith(_POINTER):
        size = next(
            (line.removeprefix(b"size ").decode() for line in text.splitlines() if line.startswith(b"size ")), "?"
        )
        raise DataError(
            f"{place} is a pointer of git-lfs, not the file itself, which has {size} bytes; run 'git lfs pull' in its repository"
        )
