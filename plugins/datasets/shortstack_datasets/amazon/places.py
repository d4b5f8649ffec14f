"""Search for a source's categories, and for the metadata that the publisher keeps in separate folders."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from shortstack.errors import DataError
from shortstack_datasets.amazon.layouts import Category, categories_in, metadata_in
from shortstack_datasets.reading.sources import Files, Folder, found

LEVELS: Final = 3
"""Depth of folders that are searched for reviews: the publisher has ``benchmark/5core/rating_only``."""

METADATA_FOLDERS: Final = ("meta_categories", "raw/meta_categories", "metaFiles2", "metaFiles")
"""The publisher's folders of metadata, which are beside those of reviews, or beside the folders above them."""


def categories_of(source: Path) -> list[Category]:
    """Return the categories of a source, each once, with the metadata of its products.

    Raises:
        SourceNotFoundError: ``source`` does not exist.
        DataError: A category, or its metadata, occurs twice; or an archive is broken.
    """
    there = found(source, categories_in, levels=LEVELS)
    _require_once([(name, category.place) for category in there for name in category.names], "the category")
    if all(category.metadata is not None for category in there):
        return there
    below = found(source, metadata_in, levels=LEVELS)
    return [_described(category, below) for category in there]


def _described(category: Category, below: Sequence[tuple[str, Files, str]]) -> Category:
    """Return the category with metadata from another folder, if there are any."""
    if category.metadata is not None:
        return category
    name = category.names[0]
    matches = [entry for entry in below if entry[0] == name] or [
        entry for entry in _beside(category.files) if entry[0] == name
    ]
    _require_once([(name, files.place(file)) for _, files, file in matches], "the metadata of")
    return attrs.evolve(category, metadata=matches[0][1:] if matches else None)


def _beside(files: Files) -> Iterator[tuple[str, Files, str]]:
    """Yield the metadata in the publisher's folders beside the folder of some reviews, or else beside one above it."""
    if not isinstance(files, Folder):
        return
    for above in files.path.resolve().parents[:LEVELS]:
        there = [above / name for name in METADATA_FOLDERS if (above / name).is_dir()]
        for folder in there:
            yield from metadata_in(Folder(path=folder))
        if there:
            return


def _require_once(named: Sequence[tuple[str, str]], what: str) -> None:
    first: dict[str, str] = {}
    for name, place in named:
        if first.setdefault(name, place) != place:
            raise DataError(f"{what} {name} is in {first[name]} and in {place}; name one of them as the source")
