"""The kinds of files that hold tables, told by their extension."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

TEXT: Final[Mapping[str, str]] = {
    ".csv": ",",
    ".tsv": "\t",
    ".txt": "\t",
    ".dat": "\t",
    ".inter": "\t",
    ".item": "\t",
}
"""Delimited text → what stands between its fields unless a setting says otherwise."""

JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})
"""One object a line."""

PARQUET: Final = frozenset({".parquet", ".pq"})

KNOWN: Final = frozenset({*TEXT, *JSON, *PARQUET})


def kind_of(path: Path) -> str:
    """The extension that tells the format, without ``.gz``.

    >>> kind_of(Path("ratings.CSV.gz"))
    '.csv'
    """
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
