"""Hugging Face data sets: saved in a folder, or loaded by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from shortstack.contracts.class_names import with_class_names
from shortstack.errors import DataError, SourceNotFoundError

if TYPE_CHECKING:
    from datasets import Dataset

_MARKS: Final = ("state.json", "dataset_dict.json")
"""Files of ``Dataset.save_to_disk`` and ``DatasetDict.save_to_disk``."""
_ROWS: Final = 10_000


def is_saved(folder: Path) -> bool:
    """Return True if a folder was written by ``save_to_disk``."""
    return any((folder / mark).is_file() for mark in _MARKS)


def saved_dataset(folder: Path, split: str) -> "Dataset":
    """Open what ``save_to_disk`` wrote, memory-mapped.

    Args:
        folder: The folder.
        split: Its split, or several joined by ``+``; unused where it holds but one.

    Raises:
        DataError: It is damaged, or has no such split.
    """
    from datasets import DatasetDict, concatenate_datasets, load_from_disk

    with _one_line(str(folder)):
        opened = load_from_disk(folder)
    if not isinstance(opened, DatasetDict):
        return opened
    missing = [name for name in split.split("+") if name not in opened]
    if missing:
        raise DataError(f"{folder} has no split {missing[0]!r}; it has: {', '.join(opened)} (set split)")
    return concatenate_datasets([opened[name] for name in split.split("+")])


def named_dataset(name: str, subset: str | None, split: str) -> "Dataset":
    """Load a data set by the name of its repository, or from a local folder, as ``datasets.load_dataset`` does.

    Raises:
        SourceNotFoundError: There is none of this name.
        DataError: It cannot be loaded: no network, no such subset or split, damaged files.
    """
    from datasets import load_dataset

    with _one_line(name), _without_bars():
        return load_dataset(name, subset, split=split)


def frames(dataset: "Dataset", names: list[str]) -> Iterator[pl.DataFrame]:
    """Yield columns of a data set, some rows at a time; classes by their names."""
    for table in dataset.select_columns(names).with_format("arrow").iter(batch_size=_ROWS):
        frame: Any = pl.from_arrow(table)
        yield with_class_names(frame, dataset.features)


@contextmanager
def _one_line(place: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{place} is no data set that can be found: {_first_line(error)}") from error
    except Exception as error:  # of many kinds: of the hub, of Arrow, of the builders of formats
        raise DataError(f"{place} cannot be read as a Hugging Face data set: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Silence the progress bars of ``datasets``."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
