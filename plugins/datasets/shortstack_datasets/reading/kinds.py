"""Formats of table files by their extension."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

TEXT: Final[Mapping[str, str]] = {
    ".csv": ",",
    ".tsv": "\t",
    ".txt": "\t",
    ".dat": "\t",
    ".inter": "\t",
    ".item": "\t",
}
"""Extensions of delimited text → default separator."""

JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})
"""Extensions of one JSON object per line, or one array of objects."""

PARQUET: Final = frozenset({".parquet", ".pq"})

FORMATS: Final[Mapping[str, str]] = {"csv": ".csv", "tsv": ".tsv", "json": ".json", "parquet": ".parquet"}
"""Name of a format → its extension."""

KNOWN: Final = frozenset({*TEXT, *JSON, *PARQUET})

PACKED: Final = (".gz", ".bz2")
"""Extensions of compressed files, after that of the format."""


def unpacked_name(name: str) -> str:
    """Return a file's name without the extension of its compression.

    >>> unpacked_name("Books.jsonl.gz")
    'Books.jsonl'
    """
    for ending in PACKED:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def kind_of(path: PurePath) -> str:
    """Return the extension of the format, without that of the compression.

    >>> from pathlib import Path
    >>> kind_of(Path("ratings.CSV.gz"))
    '.csv'
    """
    return PurePath(unpacked_name(path.name)).suffix.lower()
