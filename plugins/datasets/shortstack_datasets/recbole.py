"""RecBole's atomic files: tab-separated text whose first line names each field and its type.

Source: https://recbole.io/docs/user_guide/data/atomic_files.html.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError
from shortstack_datasets.reading.columns import Column, label, user
from shortstack_datasets.reading.kinds import unpacked_name
from shortstack_datasets.reading.official import OfficialFiles
from shortstack_datasets.reading.sources import Files, first_line

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows

PARTS: Final = ("train", "valid", "test")
_TITLES: Final = ("title", "name")
_CATEGORIES: Final = ("class", "genre", "genres", "category", "categories")


@attrs.frozen(kw_only=True)
class RecBoleSettings:
    """Which field is what, by the name before its type.

    Attributes:
        user: Of user ids; never printed.
        item: Of item ids.
        rating: Of ratings, where there are any.
        timestamp: Of times in seconds, where there are any.
        title: Of item titles; None for the first field whose name holds "title" or "name".
        category: Of item categories; None for a field called class, genre or category.
        skip_bad_rows: Leave bad rows out and count them, instead of ending with the first.
    """

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    timestamp: str = "timestamp"
    title: str | None = None
    category: str | None = None
    skip_bad_rows: bool = False


def files_of(settings: RecBoleSettings) -> "OfficialFiles[_Found]":
    """The adapter."""
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
        from shortstack_datasets.reading.described import described, filled

        bad, frames = BadRows(skip=self.settings.skip_bad_rows), []
        for name, part in self.parts.items():
            fields = _fields(self.files, name)
            rows = filled(
                _read(self.files, name, _interaction_columns(fields, self.settings, self.files.place(name)), bad)
            )
            frames.append(rows.with_columns(split=pl.lit(part)) if part else rows)
        rows = pl.concat(frames)
        items = [name for name in self.files.beside if unpacked_name(name) == f"{self.name}.item"]
        known = (
            _read(self.files, items[0], _item_columns(_fields(self.files, items[0]), self.settings), bad)
            if items
            else rows
        )
        return Records(
            interactions=rows.lazy(),
            items=described(_listed(known)).lazy(),
            edition=self.edition(),
            skipped=bad.skipped,
        )


def write(settings: RecBoleSettings, sample: Sample, folder: Path) -> Path:
    """Write ``sample.inter`` and ``sample.item``.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.writing import interaction_rows, item_rows, write_lines

    header = [
        f"{settings.user}:token",
        f"{settings.item}:token",
        f"{settings.rating}:float",
        f"{settings.timestamp}:float",
    ]
    rows = [[row[role] for role in ("user", "item", "rating", "timestamp")] for row in interaction_rows(sample, "s")]
    write_lines(folder / "sample.inter", [header, *rows], "\t")
    about = [
        f"{settings.item}:token",
        f"{settings.title or 'title'}:token_seq",
        f"{settings.category or 'class'}:token_seq",
    ]
    items = [[row[role] for role in ("item", "title", "category")] for row in item_rows(sample)]
    write_lines(folder / "sample.item", [about, *items], "\t")
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
        if len(parts) > len({*parts.values()}):
            raise DataError(f"{files.place(min(parts))} and others are one part of a benchmark; keep one file of each")
        ordered = dict(sorted(parts.items(), key=lambda pair: PARTS.index(pair[1])))
        yield _Found(files=files, name=benchmark, parts=ordered, settings=settings)
    for name, stem in sorted(stems.items()):
        if stem.rpartition(".")[0] not in benchmarks:
            yield _Found(files=files, name=stem, parts={name: ""}, settings=settings)


def _fields(files: Files, name: str) -> dict[str, str]:
    """Field → what the first line calls it, its type included."""
    headings = first_line(files, name).split("\t")
    return {heading.partition(":")[0]: heading for heading in headings}


def _interaction_columns(fields: dict[str, str], settings: RecBoleSettings, place: str) -> list[Column]:
    if not any(heading.endswith(":token") for heading in fields.values()):
        raise DataError(
            f"{place} is no atomic file: its first line should name fields and types, such as user_id:token; "
            "for a plain table use the adapter 'table'"
        )
    columns = [
        user(fields.get(settings.user, settings.user)),
        Column(name=fields.get(settings.item, settings.item), role="item", kind="id"),
    ]
    if settings.rating in fields:
        columns.append(Column(name=fields[settings.rating], role="rating", kind="number"))
    if settings.timestamp in fields:
        columns.append(Column(name=fields[settings.timestamp], role="timestamp", kind="s"))
    return columns


def _item_columns(fields: dict[str, str], settings: RecBoleSettings) -> list[Column]:
    title = settings.title or next((name for name in fields for word in _TITLES if word in name), None)
    category = settings.category or next((name for name in fields if name in _CATEGORIES), None)
    names = {"title": title, "category": category}
    return [
        Column(name=fields.get(settings.item, settings.item), role="item", kind="id"),
        *(label(fields.get(name, name), role) for role, name in names.items() if name is not None),
    ]


def _listed(items: "pl.DataFrame") -> "pl.DataFrame":
    """Categories with ``|`` between them instead of blanks."""
    import polars as pl

    if "category" not in items.columns:
        return items
    return items.with_columns(pl.col("category").str.replace_all(" ", "|", literal=True))


def _read(files: Files, name: str, columns: Sequence[Column], bad: "BadRows") -> "pl.DataFrame":
    from shortstack_datasets.reading.delimited import Form, read_text

    return read_text(files, name, Form(separator="\t"), columns, bad)
