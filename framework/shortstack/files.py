"""Files that are written whole or not at all, and read with a clear word if they are damaged."""

import hashlib
import json
from pathlib import Path
from typing import Any

from shortstack.errors import DataError


def digest(path: Path) -> list[str]:
    """A file's name and a hash of its content: the same path may hold something else tomorrow."""
    with path.open("rb") as file:
        return [path.name, hashlib.file_digest(file, "sha256").hexdigest()]


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically."""
    partial = unfinished(path)
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    partial.replace(path)


def unfinished(path: Path) -> Path:
    """Where a file is written before it is put in its place."""
    return path.with_name(f".{path.name}.partial")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); remove its folder, and the next run makes it again") from error
