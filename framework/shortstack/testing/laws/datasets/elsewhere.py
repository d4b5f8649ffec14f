"""The same files give the same data, whatever was read before and on whatever machine."""

import os
import shutil
from pathlib import Path

import polars as pl

from shortstack.contracts import Records
from shortstack.testing.broken import UntriedError
from shortstack.testing.comparing import require
from shortstack.testing.elsewhere import elsewhere
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import WRITES, Place, read, rows_of, written
from shortstack.testing.laws.datasets.spots import spoiled
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables
from shortstack.testing.subject import Subject

_TIME = 13 * 3_600_000 + 45 * 60_000


@law("dataset", when=WRITES, examples=10, table=interaction_tables(), other=interaction_tables())
def no_memory(subject: Subject, *, table: InteractionTable, other: InteractionTable) -> None:
    """Another file under the same path, of the same age, is read anew; a source that is gone is not recognised.

    This holds for the adapter that read the first file and for a fresh one.
    """
    first, second = (each.sample(text_ids=subject.traits.text_ids) for each in (table, other))
    with written(subject, first) as place, written(subject, second) as there:
        if place.source.relative_to(place.folder) != there.source.relative_to(there.folder):
            raise UntriedError("the two samples are not written under the same names")
        adapter = subject.build()
        adapter.detect(place.source)
        _collected(adapter.read(place.source))
        expected = rows_of(read(subject, there.source))
        _replaced(place, there)
        for reader in (adapter, subject.build()):
            rows = rows_of(_collected(reader.read(place.source)))
            require(rows == expected, f"after another file under the same path {rows} is read, not {expected}")
        _emptied(place.folder)
        for reader in (adapter, subject.build()):
            edition = reader.detect(place.source)
            require(edition is None, f"the files are gone, but they are recognised as {edition}")


@law("dataset", when=WRITES, examples=10, table=interaction_tables())
def another_machine(subject: Subject, *, table: InteractionTable) -> None:
    """Reading gives the same rows under another time zone, locale, hash salt and working directory."""
    sample = table.sample(text_ids=subject.traits.text_ids)
    for row, interaction in enumerate(sample.rows):
        sample = spoiled(sample, row, timestamp=int(interaction.timestamp or 0) + _TIME)
    with written(subject, sample) as place:
        here = _collected(subject.build().read(place.source))
        with elsewhere():
            adapter = subject.build()
            edition = adapter.detect(place.source)
            there = _collected(adapter.read(place.source))
    require(edition is not None, "elsewhere it is not recognised")
    for what in ("interactions", "items"):
        left, right = (_table(getattr(records, what)) for records in (here, there))
        require(left.equals(right), f"elsewhere the {what} are {right.rows()[:3]}, here {left.rows()[:3]}")


def _collected(records: Records) -> Records:
    """Return the same records, collected."""
    return Records(
        interactions=records.interactions.collect().lazy(),
        items=records.items.collect().sort("item").lazy(),
        edition=records.edition,
    )


def _table(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect()


def _replaced(place: Place, there: Place) -> None:
    """Replace a folder's files by others that keep the old files' timestamps."""
    before = {path.relative_to(place.folder): path.stat() for path in place.files}
    _emptied(place.folder)
    shutil.copytree(there.folder, place.folder, dirs_exist_ok=True)
    for path in place.files:
        was = before.get(path.relative_to(place.folder))
        if was is not None:
            # a cache by path and modification time must fail this law
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
