"""Helpers of the laws of dataset adapters: write a sample, read it, prepare it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import attrs

from shortstack.config.reader import structure
from shortstack.contracts import Interaction, Records, Sample
from shortstack.data.interactions import Interactions
from shortstack.errors import DataError
from shortstack.testing.broken import UntriedError
from shortstack.testing.law import Condition
from shortstack.testing.subject import Subject

COLUMNS: Final = ("user", "item", "rating", "timestamp")
MEASURES: Final = ("rating", "timestamp")
Row = tuple[Any, ...]


@attrs.frozen(kw_only=True)
class Place:
    """Location of a written sample.

    Attributes:
        source: The path that the adapter reads.
        folder: Folder that holds everything that was written.
    """

    source: Path
    folder: Path

    @property
    def files(self) -> list[Path]:
        """All files, sorted by path."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def written(subject: Subject, sample: Sample) -> Iterator[Place]:
    """Write a sample in the adapter's format to a temporary folder; leave untried what the format cannot hold."""
    descriptor: Any = subject.descriptor
    config = structure(descriptor.config, subject.settings, subject.name)
    with TemporaryDirectory(prefix="shortstack-") as name:
        folder = Path(name) / "source"
        folder.mkdir()
        try:
            source = descriptor.write(config, sample, folder)
        except DataError as error:
            raise UntriedError(str(error)) from error
        yield Place(source=source, folder=folder)


def read(subject: Subject, source: Path) -> Records:
    """Read a source with a fresh adapter, each table collected once."""
    records: Records = subject.build().read(source)
    return Records(
        interactions=records.interactions.collect().lazy(),
        items=records.items.collect().lazy(),
        edition=records.edition,
    )


def rows_of(records: Records) -> list[Row]:
    """Return user, item, rating and time of each interaction."""
    return records.interactions.select(COLUMNS).collect().rows()


def sample_rows(rows: tuple[Interaction, ...]) -> list[Row]:
    """Return user, item, rating and time of each row of a sample."""
    return [(row.user, row.item, row.rating, row.timestamp) for row in rows]


def absent(rows: list[Row], subject: Subject) -> set[str]:
    """Return the measures that are neither promised nor present in any row: the format has no place for them."""
    return {
        measure
        for measure in MEASURES
        if not getattr(subject.traits, f"{measure}s") and all(row[COLUMNS.index(measure)] is None for row in rows)
    }


def projected(rows: list[Row], without: set[str]) -> list[Row]:
    """Return the rows without some measures."""
    return [tuple(value for name, value in zip(COLUMNS, row, strict=True) if name not in without) for row in rows]


def prepared(subject: Subject, sample: Sample, *, seed: int = 0, core: int = 0) -> Interactions:
    """Return a sample after it was written, read by the adapter, and prepared."""
    with written(subject, sample) as place:
        return Interactions.from_records(read(subject, place.source), seed=seed, core=core)


def decoded(made: Interactions) -> list[Row]:
    """Return the interactions in their order, with the ids of the source."""
    users, items = made.users.to_list(), made.items["item"].to_list()
    return [(users[user], items[item], *rest) for user, item, *rest in made.table.select(COLUMNS).rows()]


def failure_of(subject: Subject, source: Path) -> BaseException | None:
    """Return the error when everything is read; None if there is none."""
    from polars.exceptions import PanicException

    try:
        read(subject, source)
    except (Exception, SystemExit, PanicException) as error:  # noqa: BLE001 -- a third-party adapter may raise anything
        return error
    return None


def _comes_back(subject: Subject, *columns: str) -> bool:
    """Return True if one of these columns holds a value after a sample was written and read."""
    rows = [Interaction(user=user, item="2", rating=5.0, timestamp=0) for user in ("1", "4")]
    try:
        with written(subject, Sample(rows=rows, titles={"2": "Two"}, categories={"2": "Drama"})) as place:
            records = read(subject, place.source)
    except Exception:  # noqa: BLE001 -- its laws will report what is wrong
        return False
    tables = (records.interactions.collect(), records.items.collect())
    return any(name in table.columns and table[name].count() for table in tables for name in columns)


def _writes(subject: Subject) -> bool:
    return getattr(subject.descriptor, "write", None) is not None


def _timed(subject: Subject) -> bool:
    return _writes(subject) and (subject.traits.timestamps or _comes_back(subject, "timestamp"))


def _described(subject: Subject) -> bool:
    promised = subject.traits.titles or subject.traits.categories
    return _writes(subject) and (promised or _comes_back(subject, "title", "category"))


WRITES: Final = Condition(words="the descriptor has write", holds=_writes)
TIMED: Final = Condition(words="the descriptor has write, and times come back", holds=_timed)
NAMED: Final = Condition(
    words="the descriptor has write, and ids may be any text",
    holds=lambda subject: _writes(subject) and subject.traits.text_ids,
)
DESCRIBED: Final = Condition(words="the descriptor has write, and titles or categories come back", holds=_described)
