"""The kinds of files that hold tables, told by their extension."""

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
"""Delimited text → what stands between its fields unless a setting says otherwise."""

JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})
"""One object a line, or one array of objects."""

PARQUET: Final = frozenset({".parquet", ".pq"})

FORMATS: Final[Mapping[str, str]] = {"csv": ".csv", "tsv": ".tsv", "json": ".json", "parquet": ".parquet"}
"""A format by its name → the ending that says the same."""

KNOWN: Final = frozenset({*TEXT, *JSON, *PARQUET})

PACKED: Final = (".gz", ".bz2")
"""What may stand after the extension of any file."""


def unpacked_name(name: str) -> str:
    """A file's name without the ending that tells how it is packed.

    >>> unpacked_name("Books.jsonl.gz")
    'Books.jsonl'
    """
    for ending in PACKED:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def kind_of(path: PurePath) -> str:
    """The extension that tells the format, whatever the file is packed in.

    >>> from pathlib import Path
    >>> kind_of(Path("ratings.CSV.gz"))
    '.csv'
    """
    return PurePath(unpacked_name(path.name)).suffix.lower()
