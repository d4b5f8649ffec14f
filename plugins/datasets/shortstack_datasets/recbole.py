"""RecBole's atomic files: tab-separated text whose first line names each field and its type.

Source: https://recbole.io/docs/user_guide/data/atomic_files.html.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError
from shortstack_datasets.reading.columns import Column, label, require_different, user
from shortstack_datasets.reading.histories import Histories
from shortstack_datasets.reading.kinds import unpacked_name
from shortstack_datasets.reading.official import OfficialFiles
from shortstack_datasets.reading.sources import Files, first_line, stored_name

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows

PARTS: Final = ("train", "valid", "test")
_TITLES: Final = ("title", "name")
_CATEGORIES: Final = ("class", "genre", "genres", "category", "categories")
TimestampUnit = Literal["s", "ms", "us", "iso"]


@attrs.frozen(kw_only=True)
class RecBoleSettings:
    """Names of the fields, without their types.

    Attributes:
        user: Field of user ids; their values are never printed.
        item: Field of item ids.
        rating: Field of ratings, where there are any.
        timestamp: Field of times, where there are any.
        timestamp_unit: Unit of times since 1970, or ``"iso"`` for text such as ``2009-05-04T23:08:57Z``.
        items_list: Field of the items before each item, where each row holds a history and its next item.
        items_item: Field of item ids in the ``.item`` file; None if it has the same name as in the ``.inter`` file.
        title: Field of item titles; None for a field called title, else name, else the first field whose name contains one of
            these words.
        category: Field of item categories; None for a field named class, genre or category.
        quoted: Whether ``"`` may enclose fields, as RecBole itself writes and reads them.
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    timestamp: str = "timestamp"
    timestamp_unit: TimestampUnit = "s"
    items_list: str = "item_id_list"
    items_item: str | None = None
    title: str | None = None
    category: str | None = None
    quoted: bool = True
    skip_bad_rows: bool = False

    def __attrs_post_init__(self) -> None:
        require_different(self, ("user", "item", "rating", "timestamp", "items_list"))


_USUAL: Final = RecBoleSettings()
"""Fields that a file may lack, unless the settings name others."""


def files_of(settings: RecBoleSettings) -> "OfficialFiles[_Found]":
    """Build the adapter."""
    return OfficialFiles(
        what="RecBole",
        needs="NAME.inter, or NAME.train.inter, NAME.valid.inter and NAME.test.inter, with NAME.item beside it",
        recognise=lambda files: list(_recognised(files, settings)),
    )


@attrs.frozen(kw_only=True)
class _Found:
    """One data set: its interactions in one file, or in one for each part of the official split."""

    files: Files
    name: str
    parts: dict[str, str]
    settings: RecBoleSettings

    @property
    def place(self) -> str:
        return self.files.place(next(iter(self.parts)))

    def edition(self) -> Edition:
        return Edition(name=self.name, facts={"files": len(self.parts)})

    def records(self) -> Records:
        import polars as pl

        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        bad, histories = BadRows(skip=self.settings.skip_bad_rows), Histories()
        rows = pl.concat([self._part(name, part, histories, bad) for name, part in self.parts.items()])
        items = stored_name(self.files, self.files.beside, f"{self.name}.item")
        known = rows
        if items:
            columns = _item_columns(_fields(self.files, items), self.settings, self.files.place(items))
            known = self._read(items, columns, bad)
        return as_records(rows, _listed(known), self.edition(), bad)

    def _part(self, name: str, part: str, histories: Histories, bad: "BadRows") -> "pl.DataFrame":
        """Read one file of interactions."""
        import polars as pl

        from shortstack_datasets.reading.described import filled

        fields, place = _fields(self.files, name), self.files.place(name)
        rows = self._read(name, _interaction_columns(fields, self.settings, place), bad)
        if "list" in rows.columns:
            return histories.unrolled(rows, part, place)
        return filled(rows).with_columns(split=pl.lit(part)) if part else filled(rows)

    def _read(self, name: str, columns: Sequence[Column], bad: "BadRows") -> "pl.DataFrame":
        from shortstack_datasets.reading.delimited import Form, read_text

        _require_once(first_line(self.files, name).split("\t"), columns, self.files.place(name))
        form = Form(separator="\t", quoted=self.settings.quoted, quoted_setting="quoted")
        return read_text(self.files, name, form, columns, bad)


def write(settings: RecBoleSettings, sample: Sample, folder: Path) -> Path:
    """Write ``sample.inter`` and ``sample.item``.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.writing import interaction_rows, item_rows, write_rows

    written = {
        "user": f"{settings.user}:token",
        "item": f"{settings.item}:token",
        "rating": f"{settings.rating}:float",
        "timestamp": f"{settings.timestamp}:float",
    }
    about = {
        "item": f"{settings.items_item or settings.item}:token",
        "title": f"{settings.title or 'title'}:token_seq",
        "category": f"{settings.category or 'class'}:token_seq",
    }
    rows = interaction_rows(sample, settings.timestamp_unit)
    write_rows(folder / "sample.inter", [label(name, role) for role, name in written.items()], rows)
    write_rows(folder / "sample.item", [label(name, role) for role, name in about.items()], item_rows(sample))
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="recbole",
    summary="RecBole's atomic files: NAME.inter with NAME.item, or the three files of a benchmark's split.",
    build=files_of,
    config=RecBoleSettings,
    reference="https://recbole.io/docs/user_guide/data/atomic_files.html",
    traits=DatasetTraits(ratings=False, timestamps=False, text_ids=True),
    write=write,
    elsewhere="download atomic files from https://github.com/RUCAIBox/RecSysDatasets, name the folder with the .inter file",
)


def _recognised(files: Files, settings: RecBoleSettings) -> Iterator[_Found]:
    stems = {
        name: unpacked_name(name).removesuffix(".inter")
        for name in files.names
        if unpacked_name(name).endswith(".inter")
    }
    benchmarks = {stem.removesuffix(".train") for stem in stems.values() if stem.endswith(".train")}
    for benchmark in sorted(benchmarks):
        places = {f"{benchmark}.{part}": part for part in PARTS}
        parts = {name: places[stem] for name, stem in stems.items() if stem in places}
        # for example a file and its compressed copy
        if len(parts) > len({*parts.values()}):
            raise DataError(f"{files.place(min(parts))} and others are one part of a benchmark; keep one file of each")
        ordered = dict(sorted(parts.items(), key=lambda pair: PARTS.index(pair[1])))
        yield _Found(files=files, name=benchmark, parts=ordered, settings=settings)
    for name, stem in sorted(stems.items()):
        if stem.rpartition(".")[0] not in benchmarks:
            yield _Found(files=files, name=stem, parts={name: ""}, settings=settings)


def _fields(files: Files, name: str) -> dict[str, str]:
    """Return the fields of the first line: name → name with type."""
    headings = first_line(files, name).split("\t")
    return {heading.partition(":")[0]: heading for heading in headings}


def _require_once(headings: Sequence[str], columns: Sequence[Column], place: str) -> None:
    """Raise if a field occurs with two types: the reader matches headings as a whole."""
    for column in columns:
        name = column.name.partition(":")[0]
        same = [heading for heading in headings if heading.partition(":")[0] == name]
        if len({*same}) > 1:
            raise DataError(f"{place} has {len(same)} fields called {name!r} ({', '.join(same)}); rename one")


def _interaction_columns(fields: dict[str, str], settings: RecBoleSettings, place: str) -> list[Column]:
    if not any(heading.endswith(":token") for heading in fields.values()):
        raise DataError(
            f"{place} is no atomic file: its first line should name fields and types, such as user_id:token; "
            "for a plain table use the adapter 'table'"
        )
    optional = (
        ("rating", settings.rating, _USUAL.rating),
        ("timestamp", settings.timestamp, _USUAL.timestamp),
        ("items_list", settings.items_list, _USUAL.items_list),
    )
    for setting, name, usual in optional:
        if name not in fields and name != usual:
            raise DataError(f"{place} has no field {name!r} for {setting}; it has: {', '.join(fields)}")
    columns = [
        user(fields.get(settings.user, settings.user)),
        Column(name=fields.get(settings.item, settings.item), role="item", kind="id"),
    ]
    if settings.rating in fields:
        columns.append(Column(name=fields[settings.rating], role="rating", kind="number"))
    if settings.timestamp in fields:
        columns.append(Column(name=fields[settings.timestamp], role="timestamp", kind=settings.timestamp_unit))
    if settings.items_list in fields:
        columns.append(label(fields[settings.items_list], "list"))
    return columns


def _item_columns(fields: dict[str, str], settings: RecBoleSettings, place: str) -> list[Column]:
    item_field = settings.items_item or settings.item
    if item_field not in fields:
        raise DataError(
            f"{place} has no field {item_field!r} for item ids; it has: {', '.join(fields)}; name the field in items_item"
        )
    title = settings.title or _title_among(list(fields))
    category = settings.category or next((name for name in fields if name in _CATEGORIES), None)
    names = {"title": title, "category": category}
    return [
        Column(name=fields[item_field], role="item", kind="id"),
        *(label(fields.get(name, name), role) for role, name in names.items() if name is not None),
    ]


def _title_among(names: Sequence[str]) -> str | None:
    """Return the name of the field of titles: ``title`` or ``name``, else the first that contains one of them.

    >>> _title_among(["item_id", "brand_name", "title"]), _title_among(["item_id", "movie_title"])
    ('title', 'movie_title')
    """
    called = [word for word in _TITLES if word in names]
    return next(iter([*called, *(name for name in names for word in _TITLES if word in name)]), None)


def _listed(items: "pl.DataFrame") -> "pl.DataFrame":
    """Return the items with ``|`` between categories instead of blanks."""
    import polars as pl

    if "category" not in items.columns:
        return items
    return items.with_columns(pl.col("category").str.replace_all(" ", "|", literal=True))
