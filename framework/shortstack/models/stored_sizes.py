"""Bytes of a stored model on the disk and in memory, from its files alone."""

from pathlib import Path

_LENGTH = 8
"""Bytes at the beginning of a safetensors file: the length of its header, a little-endian number."""


def stored_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of a folder's weights: ``disk_bytes`` of the files, ``memory_bytes`` of the tensors in them.

    A model is loaded in the stored dtype, so that its weights take as much in memory.
    """
    files = sorted(folder.glob("*.safetensors"))
    sizes = [file.stat().st_size for file in files]
    return {"disk_bytes": sum(sizes), "memory_bytes": sum(sizes) - sum(_header(file) for file in files)}


def _header(file: Path) -> int:
    with file.open("rb") as opened:
        return _LENGTH + int.from_bytes(opened.read(_LENGTH), "little")
