"""Any table with named columns: CSV, TSV, JSON lines or Parquet, also packed by gzip or bzip2."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import ConfigurationError, DataError
from shortstack_datasets.reading.columns import Column, user
from shortstack_datasets.reading.kinds import JSON, KNOWN, PARQUET, TEXT, kind_of

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows
    from shortstack_datasets.reading.forms import Form

Encoding = Literal["utf-8", "latin-1"]
TimestampUnit = Literal["s", "ms", "us", "iso"]


def _unescaped(separator: str | None) -> str | None:
    """A tab may be spelt with a backslash and a t, as command lines and literal texts of TOML give it."""
    return separator.replace("\\t", "\t") if separator else separator


def _one_character(_settings: object, field: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and (len(value.encode()) != 1 or value in '"\r\n'):
        raise ConfigurationError(f"{field.name} takes one character that is no quote or line end, got {value!r}")


def _separates(_settings: object, field: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and (not value or {*value} & {*'"\r\n'}):
        raise ConfigurationError(f"{field.name} takes a text without quotes and line ends, such as ';', got {value!r}")


@attrs.frozen(kw_only=True)
class TableSettings:
    """Which column is what.

    Attributes:
        user: The column of user ids; never printed.
        item: The column of item ids.
        rating: The column of ratings; None if there are none.
        timestamp: The column of times; None if there are none, and then nothing can be split by time.
        timestamp_unit: What a time counts since 1970, or ``"iso"`` for text such as ``2009-05-04T23:08:57Z``.
        separator: Between fields; None for a comma in ``.csv`` and a tab elsewhere.
        quoted: Whether ``"`` may enclose fields, where ``""`` stands for itself; never beside a longer separator.
        escape: The character that takes the meaning from the one after it, such as a backslash before a quote; None if
            there is none.
        encoding: Of text files.
        header: Whether the first line names the columns; if not, they are called ``1``, ``2``, …
        title: The column of item titles, in the items file if there is one.
        category: The column of item categories, there as well.
        items_file: A second table, beside the first, with one row an item.
        items_item: Its column of item ids; None if it is called as in the first table.
        items_separator: As ``separator``.
        items_encoding: As ``encoding``.
        items_header: As ``header``.
        skip_bad_rows: Leave bad rows out and count them, instead of ending with the first.
    """

    user: str = "user"
    item: str = "item"
    rating: str | None = None
    timestamp: str | None = None
    timestamp_unit: TimestampUnit = "s"
    separator: str | None = attrs.field(default=None, converter=_unescaped, validator=_separates)
    quoted: bool = True
    escape: str | None = attrs.field(default=None, validator=_one_character)
    encoding: Encoding = "utf-8"
    header: bool = True
    title: str | None = None
    category: str | None = None
    items_file: str | None = None
    items_item: str | None = None
    items_separator: str | None = attrs.field(default=None, converter=_unescaped, validator=_separates)
    items_encoding: Encoding = "utf-8"
    items_header: bool = True
    skip_bad_rows: bool = False


@attrs.frozen
class Table:
    """Reads one file of interactions, and one of items if there is one."""

    settings: TableSettings

    def detect(self, source: str | Path) -> Edition | None:
        """The file's name, if it is a file of a known kind; which column is what, no file can tell."""
        path = Path(source)
        return Edition(name=path.name) if path.is_file() and kind_of(path) in KNOWN else None

    def read(self, source: str | Path) -> Records:
        """All interactions.

        Raises:
            SourceNotFoundError: ``source``, or the items file, is not there.
            DataError: It is of no known kind, is damaged, or lacks a column.
            RowError: A line is bad.
        """
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records

        path, settings = Path(source), self.settings
        bad = BadRows(skip=settings.skip_bad_rows)
        rows = _read(path, _Text.of_interactions(settings), _interaction_columns(settings), bad)
        edition = Edition(name=path.name, facts={"rows": len(rows)})
        known = rows if settings.items_file is None else _items(path.parent / settings.items_file, settings, bad)
        return as_records(rows, known, edition, bad)


def write(settings: TableSettings, sample: Sample, path: Path) -> Path:
    """Write the columns that the settings name, and beside them the items file if there is one.

    Args:
        settings: Which column is what.
        sample: What to write.
        path: Where; its name tells the format.

    Returns:
        ``path``, for ``read``.

    Raises:
        DataError: The format cannot hold a value, or a column without a header is not called by a number.
    """
    from shortstack_datasets.reading.writing import interaction_rows, item_rows, write_rows

    write_rows(
        path,
        _interaction_columns(settings),
        interaction_rows(sample, settings.timestamp_unit),
        separator=settings.separator,
        encoding=settings.encoding,
        header=settings.header,
    )
    if settings.items_file is not None:
        write_rows(
            path.parent / settings.items_file,
            _item_columns(settings),
            item_rows(sample),
            separator=settings.items_separator,
            encoding=settings.items_encoding,
            header=settings.items_header,
        )
    return path


DESCRIPTOR = DatasetDescriptor(
    name="table",
    summary="Any CSV, TSV, JSON lines or Parquet file with named columns for user, item, rating and time.",
    build=Table,
    config=TableSettings,
    traits=DatasetTraits(ratings=False, timestamps=False, text_ids=True),
    write=lambda settings, sample, folder: write(settings, sample, folder / "interactions.csv"),
)


def _interaction_columns(settings: TableSettings) -> list[Column]:
    columns = [
        user(settings.user),
        Column(name=settings.item, role="item", kind="id"),
    ]
    if settings.rating is not None:
        columns.append(Column(name=settings.rating, role="rating", kind="number"))
    if settings.timestamp is not None:
        columns.append(Column(name=settings.timestamp, role="timestamp", kind=settings.timestamp_unit))
    return columns + ([] if settings.items_file else _descriptions(settings))


def _descriptions(settings: TableSettings) -> list[Column]:
    names = {"title": settings.title, "category": settings.category}
    return [Column(name=name, role=role, kind="label") for role, name in names.items() if name is not None]


def _item_columns(settings: TableSettings) -> list[Column]:
    return [Column(name=settings.items_item or settings.item, role="item", kind="id"), *_descriptions(settings)]


@attrs.frozen(kw_only=True)
class _Text:
    """How a file is written, if it is a text."""

    separator: str | None
    encoding: Encoding
    encoding_setting: str
    header: bool
    quoted: bool
    escape: str | None

    @classmethod
    def of_interactions(cls, settings: TableSettings) -> "_Text":
        return cls(
            separator=settings.separator,
            encoding=settings.encoding,
            encoding_setting="encoding",
            header=settings.header,
            quoted=settings.quoted,
            escape=settings.escape,
        )

    @classmethod
    def of_items(cls, settings: TableSettings) -> "_Text":
        return cls(
            separator=settings.items_separator,
            encoding=settings.items_encoding,
            encoding_setting="items_encoding",
            header=settings.items_header,
            quoted=settings.quoted,
            escape=settings.escape,
        )

    def form(self, kind: str) -> "Form":
        """Longer separators than one character know neither quotes nor escapes."""
        from shortstack_datasets.reading.forms import Form

        separator = self.separator or TEXT[kind]
        single = len(separator.encode()) == 1
        return Form(
            separator=separator,
            header=self.header,
            quoted=self.quoted and single,
            escape=self.escape if single else None,
            encoding=self.encoding,
            encoding_setting=self.encoding_setting,
        )


def _items(path: Path, settings: TableSettings, bad: "BadRows") -> "pl.DataFrame":
    return _read(path, _Text.of_items(settings), _item_columns(settings), bad)


def _read(path: Path, text: _Text, columns: list[Column], bad: "BadRows") -> "pl.DataFrame":
    from shortstack_datasets.reading.delimited import read_delimited
    from shortstack_datasets.reading.sources import one_file, opened
    from shortstack_datasets.reading.structured import read_json_lines, read_parquet

    files, name = one_file(path)
    kind = kind_of(path)
    if kind not in KNOWN:
        raise DataError(
            f"{path} is of an unknown kind {kind!r}; known are {', '.join(sorted(KNOWN))}, and .gz or .bz2 after those"
        )
    with opened(files, name) as stream:
        if kind in PARQUET:
            return read_parquet(stream, columns, bad)
        if kind in JSON:
            return read_json_lines(stream, columns, bad)
        return read_delimited(stream, text.form(kind), columns, bad)
