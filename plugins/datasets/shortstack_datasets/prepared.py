"""Prepared sequences: a row per user with lists, in Parquet shards from one's own cluster or in a Hugging Face data set."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError
from shortstack_datasets.reading.columns import Column, require_different, user
from shortstack_datasets.reading.parts import Parts, Wanted, the_table
from shortstack_datasets.reading.sources import Files, Folder

if TYPE_CHECKING:
    import polars as pl
    from datasets import Dataset

    from shortstack_datasets.reading.bad_rows import BadRows

NAMED: Final = "hf:"
"""Beginning of a source that ``datasets.load_dataset`` finds."""


@attrs.frozen(kw_only=True)
class PreparedSettings:
    """The columns, the files, and the description of items.

    Attributes:
        user: The column of user ids; their values are never printed.
        items: The column of lists of item ids, oldest first. Rows of one user are joined, in the order of the files.
        ratings: The column of lists of ratings, one for each item; ``"ratings"`` is read if it is there. None for none.
        timestamps: The column of lists of times, likewise; without it, set ``order = "file"``.
        timestamp_unit: Unit of times since 1970, or ``"iso"`` for text such as ``2009-05-04T23:08:57Z``.
        files: The names of the shards in a folder or a zip archive.
        split: Split of a Hugging Face data set, or several: ``"train+test"``. What it divides is users.
        subset: Subset of a Hugging Face data set that has several.
        items_file: A Parquet file with one row per item: its name beside the shards, or its path. ``"items.parquet"`` is
            read if it is there; None for none.
        items_item: Its column of item ids.
        title: Its column of titles, which is read if it is there.
        category: Its column of categories, likewise.
        skip_bad_rows: Leave bad rows and bad interactions out and count them, instead of raising an error at the first.
    """

    user: str = "user"
    items: str = "items"
    ratings: str | None = "ratings"
    timestamps: str | None = "timestamps"
    timestamp_unit: Literal["s", "ms", "us", "iso"] = "s"
    files: str = "*.parquet"
    split: str = "train"
    subset: str | None = None
    items_file: str | None = "items.parquet"
    items_item: str = "item"
    title: str = "title"
    category: str = "category"
    skip_bad_rows: bool = False

    def __attrs_post_init__(self) -> None:
        require_different(self, ("user", "items", "ratings", "timestamps"))


_USUAL: Final = PreparedSettings()


class _Source(Protocol):
    """Rows of users."""

    @property
    def name(self) -> str:
        """Name of the edition."""

    @property
    def beside(self) -> Sequence[Files]:
        """Folders, or an archive, that may hold the table of items."""

    def frames(self, columns: Sequence[Column]) -> "Iterator[tuple[str, int, pl.DataFrame]]":
        """Yield the place of some rows, the number of rows before them there, and the columns that they have."""


@attrs.frozen(kw_only=True)
class _Shards:
    """Parquet files."""

    path: Path
    parts: Parts

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def beside(self) -> Sequence[Files]:
        return [self.parts.files, *([Folder(path=self.path)] if self.path.is_dir() else [])]

    def frames(self, columns: Sequence[Column]) -> "Iterator[tuple[str, int, pl.DataFrame]]":
        from shortstack_datasets.reading.parquet import parquet_table, whole_parquet
        from shortstack_datasets.reading.sources import opened

        for name in self.parts.names:
            with opened(self.parts.files, name) as stream:
                table = parquet_table(stream, columns)
                with whole_parquet(stream.place):
                    frame = table.collect()
                yield stream.place, 0, frame


@attrs.frozen(kw_only=True)
class _HuggingFace:
    """A data set of ``datasets``."""

    place: str
    dataset: "Dataset" = attrs.field(repr=False)

    @property
    def name(self) -> str:
        return Path(self.place).name

    @property
    def beside(self) -> Sequence[Files]:
        return [Folder(path=Path(self.place))] if Path(self.place).is_dir() else []

    def frames(self, columns: Sequence[Column]) -> "Iterator[tuple[str, int, pl.DataFrame]]":
        from shortstack_datasets.reading.saved import frames
        from shortstack_datasets.reading.typed_frames import columns_there

        if not len(self.dataset):
            raise DataError(f"{self.place} holds no rows; give users with the items that they chose")
        before = 0
        for frame in frames(self.dataset, columns_there(self.dataset.column_names, columns, self.place)):
            yield self.place, before, frame
            before += len(frame)


@attrs.frozen
class Prepared:
    """Adapter of prepared sequences."""

    settings: PreparedSettings

    def detect(self, source: str | Path) -> Edition | None:
        """Return the source's name as the edition if its first rows have users and lists.

        A data set that is named by ``hf:`` is not loaded for that.

        Raises:
            DataError: An archive is broken.
        """
        if str(source).startswith(NAMED):
            return Edition(name=Path(_named(source)).name)
        from shortstack_datasets.reading.bad_rows import BadRows

        try:
            rows = _source(source, self.settings)
            next(self._interactions(rows, BadRows(skip=True)), None)
        except DataError:
            return None
        return Edition(name=rows.name)

    def read(self, source: str | Path) -> Records:
        """Read all users.

        Raises:
            SourceNotFoundError: ``source``, or the table of items, does not exist.
            DataError: It is damaged, holds no such rows, or lacks a column.
            RowError: A row is bad, and bad rows are not skipped.
        """
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records
        from shortstack_datasets.reading.gathered import gathered

        bad = BadRows(skip=self.settings.skip_bad_rows)
        rows = _source(source, self.settings)
        interactions = gathered(self._interactions(rows, bad))
        edition = Edition(name=rows.name, facts={"rows": len(interactions)})
        known = _items(rows.beside, self.settings, bad)
        return as_records(interactions, interactions if known is None else known, edition, bad)

    def _interactions(self, rows: _Source, bad: "BadRows") -> "Iterator[pl.DataFrame]":
        """Yield the interactions of some rows at a time; the first decide which optional columns there are."""
        from shortstack_datasets.reading.lists import parts_of, read_lists
        from shortstack_datasets.reading.typed_frames import columns_there

        wanted, there = _columns(self.settings), list[Column]()
        for place, before, frame in rows.frames(wanted):
            there = there or [attrs.evolve(one, optional=False) for one in wanted if one.name in frame.columns]
            columns_there(frame.columns, there, place)
            for start, part in parts_of(frame, there, self.settings.items):
                yield read_lists(part, there, place=place, before=before + start, bad=bad)


def _named(source: str | Path) -> str:
    return str(source).removeprefix(NAMED)


def _source(source: str | Path, settings: PreparedSettings) -> _Source:
    """Open a source.

    Raises:
        SourceNotFoundError: It does not exist.
        DataError: It holds no shards, or is damaged.
    """
    from shortstack_datasets.reading.saved import is_saved, named_dataset, saved_dataset

    path = Path(_named(source))
    if str(source).startswith(NAMED):
        dataset = named_dataset(_named(source), settings.subset, settings.split)
        return _HuggingFace(place=_named(source), dataset=dataset)
    if is_saved(path):
        return _HuggingFace(place=str(path), dataset=saved_dataset(path, settings.split))
    return _Shards(path=path, parts=the_table(path, Wanted(pattern=settings.files, but=settings.items_file)))


def _columns(settings: PreparedSettings) -> list[Column]:
    """Return the columns of users and lists; those with their usual names are optional."""
    columns = [user(settings.user), Column(name=settings.items, role="item", kind="id")]
    if settings.ratings is not None:
        usual = settings.ratings == _USUAL.ratings
        columns.append(Column(name=settings.ratings, role="rating", kind="number", optional=usual))
    if settings.timestamps is not None:
        usual = settings.timestamps == _USUAL.timestamps
        kind = settings.timestamp_unit
        columns.append(Column(name=settings.timestamps, role="timestamp", kind=kind, optional=usual))
    return columns


def _item_columns(settings: PreparedSettings) -> list[Column]:
    return [
        Column(name=settings.items_item, role="item", kind="id"),
        Column(name=settings.title, role="title", kind="label", optional=settings.title == _USUAL.title),
        Column(name=settings.category, role="category", kind="label", optional=settings.category == _USUAL.category),
    ]


def _items(beside: Sequence[Files], settings: PreparedSettings, bad: "BadRows") -> "pl.DataFrame | None":
    """Read the table of items, beside the source or by its path; None if there is none.

    Raises:
        SourceNotFoundError: The settings name one that does not exist.
    """
    from shortstack_datasets.reading.parquet import read_parquet
    from shortstack_datasets.reading.sources import opened

    if settings.items_file is None:
        return None
    path = Path(settings.items_file)
    files = next((files for files in beside if settings.items_file in files.beside), Folder(path=path.parent))
    if path.name not in files.beside and settings.items_file == _USUAL.items_file:
        return None
    with opened(files, path.name) as stream:
        return read_parquet(stream, _item_columns(settings), bad)


def write(settings: PreparedSettings, sample: Sample, folder: Path) -> Path:
    """Write two shards, each with a row per user, and the table of items if the settings name one.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.writing import item_rows, moment, write_lists, write_rows

    rows: dict[str, dict[str, list[object]]] = {}
    for row in sample.rows:
        lists = rows.setdefault(row.user, {column.name: [] for column in _columns(settings)[1:]})
        values = {"item": row.item, "rating": row.rating, "timestamp": moment(row.timestamp, settings.timestamp_unit)}
        for column in _columns(settings)[1:]:
            lists[column.name].append(values[column.role])
    users = [{settings.user: user_id, **lists} for user_id, lists in rows.items()]
    half = (len(users) + 1) // 2
    for number, shard in enumerate(filter(None, (users[:half], users[half:]))):
        write_lists(folder / settings.files.replace("*", f"part-{number:05}"), shard)
    if settings.items_file is not None:
        write_rows(folder / settings.items_file, _item_columns(settings), item_rows(sample))
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="prepared",
    summary="Prepared sequences: a row per user with lists, in Parquet shards or a Hugging Face data set ('hf:NAME').",
    build=Prepared,
    config=PreparedSettings,
    traits=DatasetTraits(titles=True, categories=True, text_ids=True),
    write=write,
    elsewhere="write a folder of Parquet files from Spark or Ray: columns user, items (a list), timestamps, ratings",
)
