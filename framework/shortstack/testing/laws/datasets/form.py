"""The form of an adapter's result: two lazy tables with certain columns, the same each time, without side effects."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from shortstack.contracts import Edition, Records
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.datasets.reading import WRITES, Place, written
from shortstack.testing.recipes.tables import InteractionTable, interaction_tables
from shortstack.testing.shared import shared_settings
from shortstack.testing.subject import Subject

INTERACTIONS = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
ITEMS = {"item": pl.String, "title": pl.String, "category": pl.String, "text": pl.String}


@law("dataset", when=WRITES, table=interaction_tables())
def form(subject: Subject, *, table: InteractionTable) -> None:
    """Interactions and items are lazy tables of the contract's columns and types; no id is missing, no item repeats."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        records: Records = subject.build().read(place.source)
        interactions = _collected(records.interactions, INTERACTIONS, "interactions")
        items = _collected(records.items, ITEMS, "items")
    require(isinstance(records.edition, Edition), f"the edition is {records.edition!r}")
    for name, ids in (("users", interactions["user"]), ("items", interactions["item"]), ("items", items["item"])):
        require(not ids.null_count() and not (ids == "").any(), f"some {name} have no id")
    require(items["item"].n_unique() == len(items), "the table of items names some item twice")
    require(interactions["rating"].is_finite().all(), "some rating is not finite")


@law("dataset", when=WRITES, table=interaction_tables())
def collects_twice(subject: Subject, *, table: InteractionTable) -> None:
    """The lazy tables can be collected again, and hold the same."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        records: Records = subject.build().read(place.source)
        first, second = ((records.interactions.collect(), records.items.collect()) for _ in range(2))
    _require_same(first, second, "collecting again")


@law("dataset", when=WRITES, table=interaction_tables())
def reads_alike(subject: Subject, *, table: InteractionTable) -> None:
    """Reading the same source again, given as a string instead of a path, gives the same rows in the same order."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        read: list[Records] = [subject.build().read(source) for source in (place.source, str(place.source))]
        first, second = ((records.interactions.collect(), records.items.collect()) for records in read)
    _require_same(first, second, "reading again")


@law("dataset", when=WRITES, table=interaction_tables())
def source_untouched(subject: Subject, *, table: InteractionTable) -> None:
    """Recognising and reading do not change, add or remove files of the source, nor change process-wide settings."""
    with written(subject, table.sample(text_ids=subject.traits.text_ids)) as place:
        before, shared = _content(place), shared_settings()
        adapter = subject.build()
        adapter.detect(place.source)
        records: Records = adapter.read(place.source)
        records.interactions.collect()
        records.items.collect()
        after = _content(place)
        set_anew = [name for name, value in shared_settings().items() if value != shared[name]]
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    require(not changed, f"these files are not as they were: {', '.join(changed)}")
    require(not set_anew, f"reading changed {', '.join(set_anew)}")


def _collected(frame: Any, columns: Mapping[str, type[pl.DataType]], what: str) -> pl.DataFrame:
    require(isinstance(frame, pl.LazyFrame), f"the {what} are a {type(frame).__name__}, not a polars LazyFrame")
    table: pl.DataFrame = frame.collect()
    for name, dtype in columns.items():
        require(name in table.columns, f"the {what} have no column {name!r}, only {', '.join(table.columns)}")
        kind = table[name].dtype
        held_once = name in {"user", "item"} and what == "interactions" and isinstance(kind, pl.Enum)
        require(kind == dtype or held_once, f"the column {name!r} of the {what} is {kind}, not {dtype}")
    return table.with_columns(pl.col(name).cast(kind) for name, kind in columns.items())


def _require_same(
    first: tuple[pl.DataFrame, pl.DataFrame], second: tuple[pl.DataFrame, pl.DataFrame], how: str
) -> None:
    """Raise unless the interactions are equal in order, and the items in any order."""
    require(first[0].equals(second[0]), f"{how} gives other interactions: {second[0].rows()}, not {first[0].rows()}")
    left, right = (items.sort(list(ITEMS)) for _, items in (first, second))
    require(left.equals(right), f"{how} gives other items: {right.rows()}, not {left.rows()}")


def _content(place: Place) -> dict[str, bytes]:
    """Return the bytes of every file below the parent of the source's folder, by path."""
    root = place.folder.parent
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
