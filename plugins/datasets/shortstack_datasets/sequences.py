"""Histories without times, as research code keeps them: the order of a file is the order of events.

Lines of a user and all of their items (S3-Rec, P5, LightGCN), lines of a user and one item (SASRec, BERT4Rec), or one JSON
object ``{user: [items]}``. Such data are used with ``order = "file"``.

Sources: https://github.com/kang205/SASRec, https://github.com/FeiSun/BERT4Rec, https://github.com/aHuiWang/CIKM2020-S3Rec,
https://github.com/jeykigung/P5, https://github.com/gusye1234/LightGCN-PyTorch.
"""

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, Literal

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.kinds import TEXT, kind_of, unpacked_name
from shortstack_datasets.reading.official import OfficialFiles
from shortstack_datasets.reading.sources import Files, first_lines

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows

PARTS: Final = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
"""Stem of a file's name → part of the official split."""

KINDS: Final = frozenset({".txt", ".dat", ".tsv", ".csv", ".json"})
Layout = Literal["any", "pairs", "histories"]


@attrs.frozen(kw_only=True)
class SequencesSettings:
    """The format of histories, and the source of titles.

    Attributes:
        layout: Content of a line: ``pairs`` of a user and an item, or ``histories``, a user and all of their items;
            ``any`` for pairs if a user is on several lines or no line holds more than two ids, else histories.
        separator: Separator of ids; None for a blank or a tab.
        padding: An id that fills lines up and is no item, such as ``"0"``; ``""`` if there is none. If it is None, lines
            that seem to be filled up are an error.
        titles: A file beside the source: a JSON object ``{item: title}``, or a table with one row per item.
        titles_item: Its column of item ids.
        titles_title: Its column of titles, or the field of the title where the values of a JSON object are objects.
        titles_separator: Separator of its columns; None for a comma in ``.csv`` and a tab elsewhere.
        titles_header: Whether its first line names the columns; if not, their names are ``1``, ``2``, …
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    layout: Layout = "any"
    separator: str | None = None
    padding: str | None = None
    titles: str | None = None
    titles_item: str = "item"
    titles_title: str = "title"
    titles_separator: str | None = None
    titles_header: bool = True
    skip_bad_rows: bool = False


def files_of(settings: SequencesSettings) -> "OfficialFiles[_Histories]":
    """Build the adapter."""
    return OfficialFiles(
        what="sequences",
        needs="one .txt or .json file of users and their items, or train.txt and test.txt",
        recognise=lambda files: list(_recognised(files, settings)),
        looks_right=_looks_right,
    )


@attrs.frozen(kw_only=True)
class _Histories:
    """One file, or one for each part of the official split."""

    files: Files
    parts: dict[str, str]
    settings: SequencesSettings

    @property
    def place(self) -> str:
        return self.files.place(next(iter(self.parts)))

    def edition(self) -> Edition:
        place = PurePath(self.place)
        split = "" not in self.parts.values()
        return Edition(name=place.parent.name if split else _stem(place.name), facts={"files": len(self.parts)})

    def records(self) -> Records:
        import polars as pl

        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        bad = BadRows(skip=self.settings.skip_bad_rows)
        frames = [
            self._read(name, bad).with_columns(pl.lit(part or None, dtype=pl.String).alias("split"))
            for name, part in self.parts.items()
        ]
        rows = pl.concat(frames)
        rows = rows.drop("split") if "" in self.parts.values() else rows
        return as_records(rows, rows if self.settings.titles is None else self._titles(bad), self.edition(), bad)

    def _read(self, name: str, bad: "BadRows") -> "pl.DataFrame":
        from shortstack_datasets.reading.sources import opened
        from shortstack_datasets.reading.user_items import read_object, read_user_lines, without_padding

        with opened(self.files, name) as stream:
            if kind_of(PurePath(name)) == ".json":
                rows = read_object(stream, bad)
            else:
                rows = read_user_lines(stream, self.settings.layout, self.settings.separator, bad)
            return without_padding(rows, self.settings.padding, stream.place)

    def _titles(self, bad: "BadRows") -> "pl.DataFrame":
        from shortstack_datasets.reading.delimited import Form, read_delimited
        from shortstack_datasets.reading.json_lines import read_json_lines
        from shortstack_datasets.reading.parquet import read_parquet
        from shortstack_datasets.reading.sources import opened
        from shortstack_datasets.reading.user_items import read_titles

        settings, name = self.settings, str(self.settings.titles)
        kind = kind_of(PurePath(name))
        columns = _title_columns(settings)
        with opened(self.files, name) as stream:
            if kind == ".json":
                return read_titles(stream, settings.titles_title, bad)
            if kind in {".jsonl", ".ndjson"}:
                return read_json_lines(stream, columns, bad)
            if kind in {".parquet", ".pq"}:
                return read_parquet(stream, columns, bad)
            between = settings.titles_separator or TEXT.get(kind, "\t")
            # quotes are possible only with a separator of one character
            form = Form(separator=between, header=settings.titles_header, quoted=len(between.encode()) == 1)
            return read_delimited(stream, form, columns, bad)


def _looks_right(histories: _Histories) -> bool:
    """Return True if a file begins with users and items, for names such as ``.txt`` say little."""
    from shortstack_datasets.reading.user_items import begins_with_histories

    name, *_ = histories.parts
    *whole, last = first_lines(histories.files, name)
    text = "".join(f"{line}\n" for line in whole or [last])
    is_object = kind_of(PurePath(name)) == ".json"
    return begins_with_histories(text, is_object=is_object, separator=histories.settings.separator)


def write(settings: SequencesSettings, sample: Sample, folder: Path) -> Path:
    """Write ``sample.txt``, one line per interaction, or per user if the settings say so; and the titles.

    Returns:
        ``sample.txt``, for ``read``.
    """
    from shortstack_datasets.reading.writing import item_rows, write_lines, write_objects, write_rows

    lines = [[row.user, row.item] for row in sample.rows]
    if settings.layout == "histories":
        lines = [[user, *items] for user, items in histories(sample).items()]
    write_lines(folder / "sample.txt", lines, settings.separator or " ")
    if settings.titles is not None and kind_of(PurePath(settings.titles)) == ".json":
        write_objects(folder / settings.titles, [{str(row["item"]): row["title"] for row in item_rows(sample)}])
    elif settings.titles is not None:
        write_rows(
            folder / settings.titles,
            _title_columns(settings),
            item_rows(sample),
            separator=settings.titles_separator,
            header=settings.titles_header,
        )
    return folder / "sample.txt"


def histories(sample: Sample) -> dict[str, list[str]]:
    """Return each user's items, in the order of the rows."""
    items_of_users: dict[str, list[str]] = {}
    for row in sample.rows:
        items_of_users.setdefault(row.user, []).append(row.item)
    return items_of_users


DESCRIPTOR = DatasetDescriptor(
    name="sequences",
    summary="Users and their items in order, without times: the files of SASRec, BERT4Rec, S3-Rec, P5, LightGCN, and JSON.",
    build=files_of,
    config=SequencesSettings,
    traits=DatasetTraits(ratings=False, timestamps=False),
    write=write,
    elsewhere="name a file such as data/Beauty.txt of the code of S3-Rec, or a folder with train.txt and test.txt of LightGCN",
    propose=lambda _source: {},
)


def _title_columns(settings: SequencesSettings) -> list[Column]:
    return [
        Column(name=settings.titles_item, role="item", kind="id"),
        Column(name=settings.titles_title, role="title", kind="label"),
    ]


def _stem(name: str) -> str:
    return PurePath(unpacked_name(name)).stem


def _recognised(files: Files, settings: SequencesSettings) -> Iterator[_Histories]:
    names = sorted(name for name in files.names if kind_of(PurePath(name)) in KINDS and name != settings.titles)
    parts = {name: PARTS[_stem(name)] for name in names if _stem(name) in PARTS}
    # a single file is no split, whatever its name
    if len({*parts.values()}) == len(parts) >= 2:
        ordered = dict(sorted(parts.items(), key=lambda pair: [*PARTS.values()].index(pair[1])))
        yield _Histories(files=files, parts=ordered, settings=settings)
        return
    for name in names:
        yield _Histories(files=files, parts={name: ""}, settings=settings)
