"""Any table with named columns: CSV, TSV, JSON or Parquet, in one file or in parts, optionally in gzip, bzip2 or zip."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import ConfigurationError, DataError
from shortstack_datasets.reading.columns import Column, Value, require_different, user
from shortstack_datasets.reading.kinds import FORMATS, JSON, KNOWN, PARQUET, TEXT, kind_of
from shortstack_datasets.reading.parts import Parts, Wanted, tables, the_table
from shortstack_datasets.reading.time_forms import problem_of

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows
    from shortstack_datasets.reading.forms import Form

Encoding = Literal["utf-8", "latin-1"]
Format = Literal["csv", "tsv", "json", "parquet"]
TimestampUnit = Literal["s", "ms", "us", "iso"]


def _unescaped(separator: str | None) -> str | None:
    r"""Replace ``\t`` by a tab: command lines and literal strings of TOML do not interpret the escape."""
    return separator.replace("\\t", "\t") if separator else separator


def _listed(where: Mapping[str, object]) -> dict[str, object]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in where.items()}


def _one_character(_settings: object, field: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and (len(value.encode()) != 1 or value in '"\r\n'):
        raise ConfigurationError(f"{field.name} takes one character that is no quote or line end, got {value!r}")


def _separates(_settings: object, field: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and (not value or {*value} & {*'"\r\n'}):
        raise ConfigurationError(f"{field.name} takes a text without quotes and line ends, such as ';', got {value!r}")


def _is_form(_settings: object, _field: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and (problem := problem_of(value)):
        raise ConfigurationError(
            f"timestamp_format takes a form of strptime such as '%m/%d/%Y' or '%d.%m.%Y %H:%M', got {value!r}: {problem}"
        )


@attrs.frozen(kw_only=True)
class TableSettings:
    """The columns and the file format.

    Attributes:
        user: The column of user ids; their values are never printed.
        item: The column of item ids.
        rating: The column of ratings; None if there are none.
        timestamp: The column of times; None if there are none, and then nothing can be split by time.
        timestamp_unit: Unit of times since 1970, or ``"iso"`` for text such as ``2009-05-04T23:08:57Z``.
        timestamp_format: ``strptime`` format of times that are text, such as ``"%m/%d/%Y"``; in place of a unit.
        where: Only rows with this value in this column are read: ``{event = "transaction"}``; or with one of several, in
            a list. Other rows are not checked, so the values in their other columns may be bad.
        format: The file format, whatever the ending; None to tell it by the ending.
        files: The names of the parts in a folder or a zip archive, such as ``"part-*.csv"``; None for all tables in it.
        separator: Separator of fields; None for a comma in CSV and a tab elsewhere.
        quoted: Whether ``"`` may enclose fields, with ``""`` for a quote inside; never with a longer separator.
        escape: The escape character, such as a backslash before a quote; None if there is none.
        encoding: Encoding of text files.
        header: Whether the first line names the columns; if not, their names are ``1``, ``2``, …
        title: The column of item titles, in the items file if there is one.
        category: The column of item categories, in the items file if there is one.
        items_file: A second table, beside the first or in its archive, with one row per item.
        items_item: Its column of item ids; None if it has the same name as in the first table.
        items_format: As ``format``, for the items file.
        items_separator: As ``separator``, for the items file.
        items_encoding: As ``encoding``, for the items file.
        items_header: As ``header``, for the items file.
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    user: str = "user"
    item: str = "item"
    rating: str | None = None
    timestamp: str | None = None
    timestamp_unit: TimestampUnit = "s"
    timestamp_format: str | None = attrs.field(default=None, validator=_is_form)
    where: Mapping[str, Value | tuple[Value, ...]] = attrs.field(factory=dict, converter=_listed)
    format: Format | None = None
    files: str | None = None
    separator: str | None = attrs.field(default=None, converter=_unescaped, validator=_separates)
    quoted: bool = True
    escape: str | None = attrs.field(default=None, validator=_one_character)
    encoding: Encoding = "utf-8"
    header: bool = True
    title: str | None = None
    category: str | None = None
    items_file: str | None = None
    items_item: str | None = None
    items_format: Format | None = None
    items_separator: str | None = attrs.field(default=None, converter=_unescaped, validator=_separates)
    items_encoding: Encoding = "utf-8"
    items_header: bool = True
    skip_bad_rows: bool = False

    def __attrs_post_init__(self) -> None:
        if self.timestamp_format is not None and self.timestamp_unit != "s":
            raise ConfigurationError(
                f"timestamp_format and timestamp_unit = {self.timestamp_unit!r} say two things of one column; leave one out"
            )
        require_different(self, ("user", "item", "rating", "timestamp"))
        for name, value in self.where.items():
            if value == ():
                raise ConfigurationError(f"where.{name} takes a value or a list of some values, got an empty list")


@attrs.frozen
class Table:
    """Adapter of a table of interactions, and one of items if there is one."""

    settings: TableSettings

    def detect(self, source: str | Path) -> Edition | None:
        """Return the source's name as the edition if it holds a table of a known format; columns are not checked.

        Raises:
            DataError: An archive is broken.
        """
        path, wanted = Path(source), _wanted(self.settings)
        sets = tables(path, wanted)
        if len(sets) != 1:
            return None
        if wanted.any_ending:
            return self._read_edition(path)
        return Edition(name=path.name) if all(kind_of(PurePath(name)) in KNOWN for name in sets[0].names) else None

    def _read_edition(self, path: Path) -> Edition | None:
        """Return the edition of a file whose ending says nothing, by reading it."""
        try:
            self.read(path)
        except DataError:
            return None
        return Edition(name=path.name)

    def read(self, source: str | Path) -> Records:
        """Read all interactions.

        Raises:
            SourceNotFoundError: ``source``, or the items file, does not exist.
            DataError: It has no known format, is damaged, lacks a column, or no row matches ``where``.
            RowError: A line is bad.
        """
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.described import as_records
        from shortstack_datasets.reading.gathered import gathered

        path, settings = Path(source), self.settings
        bad = BadRows(skip=settings.skip_bad_rows)
        parts = the_table(path, _wanted(settings))
        rows = gathered(_frames(parts, _Text.of_interactions(settings), _interaction_columns(settings), bad))
        if settings.where and rows.is_empty() and not bad.rows:
            wanted = ", ".join(f"{name} = {value!r}" for name, value in settings.where.items())
            raise DataError(f"{path} has no row where {wanted}; values are compared letter by letter")
        count = len(parts.names)
        edition = Edition(name=path.name, facts={"rows": len(rows)} | ({"parts": count} if count > 1 else {}))
        known = rows if settings.items_file is None else _items(path, parts, settings, bad)
        return as_records(rows, known, edition, bad)


def write(settings: TableSettings, sample: Sample, path: Path) -> Path:
    """Write the columns that the settings name, and beside them the items file if there is one.

    Args:
        settings: The columns and the format.
        sample: The rows to write.
        path: Path of the file; its ending gives the format.

    Returns:
        ``path``, for ``read``.

    Raises:
        DataError: The format cannot hold a value, or a column of a file without a header is not named by a number.
    """
    from shortstack_datasets.reading.writing import dated, interaction_rows, item_rows, write_rows

    columns = _interaction_columns(settings)
    rows = interaction_rows(sample, settings.timestamp_unit)
    rows = [row | {column.role: column.only[0] for column in columns if column.only} for row in rows]
    if settings.timestamp_format is not None:
        moments = (dated(row.timestamp, settings.timestamp_format) for row in sample.rows)
        rows = [row | {"timestamp": moment} for row, moment in zip(rows, moments, strict=True)]
    write_rows(
        path,
        columns,
        rows,
        separator=settings.separator,
        encoding=settings.encoding,
        header=settings.header,
        kind=FORMATS[settings.format] if settings.format else None,
    )
    if settings.items_file is not None:
        write_rows(
            path.parent / settings.items_file,
            _item_columns(settings),
            item_rows(sample),
            separator=settings.items_separator,
            encoding=settings.items_encoding,
            header=settings.items_header,
            kind=FORMATS[settings.items_format] if settings.items_format else None,
        )
    return path


def _proposed(source: str | Path) -> dict[str, Any]:
    from shortstack_datasets.proposal import proposed

    return proposed(source)


DESCRIPTOR = DatasetDescriptor(
    name="table",
    summary="Any CSV, TSV, JSON or Parquet file, or parts of one, with named columns for user, item, rating and time.",
    build=Table,
    config=TableSettings,
    traits=DatasetTraits(ratings=False, timestamps=False, text_ids=True),
    write=lambda settings, sample, folder: write(settings, sample, folder / "interactions.csv"),
    propose=_proposed,
)


def _interaction_columns(settings: TableSettings) -> list[Column]:
    columns = [
        user(settings.user),
        Column(name=settings.item, role="item", kind="id"),
    ]
    if settings.rating is not None:
        columns.append(Column(name=settings.rating, role="rating", kind="number"))
    if settings.timestamp is not None:
        form = settings.timestamp_format
        kind = settings.timestamp_unit if form is None else "form"
        columns.append(Column(name=settings.timestamp, role="timestamp", kind=kind, form=form or ""))
    for name, value in settings.where.items():
        only = value if isinstance(value, tuple) else (value,)
        columns.append(Column(name=name, role=f"where.{name}", kind="label", only=only))
    return columns + ([] if settings.items_file else _descriptions(settings))


def _descriptions(settings: TableSettings) -> list[Column]:
    names = {"title": settings.title, "category": settings.category}
    return [Column(name=name, role=role, kind="label") for role, name in names.items() if name is not None]


def _item_columns(settings: TableSettings) -> list[Column]:
    return [Column(name=settings.items_item or settings.item, role="item", kind="id"), *_descriptions(settings)]


@attrs.frozen(kw_only=True)
class _Text:
    """Format of a file; all but ``format`` apply to text alone. ``prefix`` begins the names of its settings in errors."""

    format: Format | None
    separator: str | None
    encoding: Encoding
    prefix: str
    header: bool
    quoted: bool
    escape: str | None

    @classmethod
    def of_interactions(cls, settings: TableSettings) -> "_Text":
        return cls(
            format=settings.format,
            separator=settings.separator,
            encoding=settings.encoding,
            prefix="",
            header=settings.header,
            quoted=settings.quoted,
            escape=settings.escape,
        )

    @classmethod
    def of_items(cls, settings: TableSettings) -> "_Text":
        return cls(
            format=settings.items_format,
            separator=settings.items_separator,
            encoding=settings.items_encoding,
            prefix="items_",
            header=settings.items_header,
            quoted=settings.quoted,
            escape=settings.escape,
        )

    def form(self, kind: str) -> "Form":
        """Return the text format; with separators of several characters there are neither quotes nor escapes."""
        from shortstack_datasets.reading.forms import Form

        separator = self.separator or TEXT[kind]
        single = len(separator.encode()) == 1
        return Form(
            separator=separator,
            header=self.header,
            quoted=self.quoted and single,
            escape=self.escape if single else None,
            encoding=self.encoding,
            encoding_setting=f"{self.prefix}encoding",
            separator_setting=f"{self.prefix}separator",
            quoted_setting="quoted",
        )


def _wanted(settings: TableSettings) -> Wanted:
    return Wanted(pattern=settings.files, but=settings.items_file, any_ending=settings.format is not None)


def _items(source: Path, parts: Parts, settings: TableSettings, bad: "BadRows") -> "pl.DataFrame":
    """Read the table of items, which is among the files of interactions, or else beside the source."""
    import polars as pl

    name = str(settings.items_file)
    if name in parts.files.beside:
        item_parts = Parts(files=parts.files, names=(name,))
    else:
        item_parts = the_table(source.parent / name, Wanted(any_ending=settings.items_format is not None))
    return pl.concat(_frames(item_parts, _Text.of_items(settings), _item_columns(settings), bad))


def _frames(parts: Parts, text: _Text, columns: list[Column], bad: "BadRows") -> "Iterator[pl.DataFrame]":
    for name in parts.names:
        yield from _frames_of(parts, name, text, columns, bad)


def _frames_of(parts: Parts, name: str, text: _Text, columns: list[Column], bad: "BadRows") -> "Iterator[pl.DataFrame]":
    from shortstack_datasets.reading.arrays import read_json
    from shortstack_datasets.reading.delimited import read_delimited
    from shortstack_datasets.reading.parquet import parquet_parts
    from shortstack_datasets.reading.sources import opened

    kind = kind_of(PurePath(name)) if text.format is None else FORMATS[text.format]
    if kind not in KNOWN:
        raise DataError(
            f"{parts.files.place(name)} is of an unknown kind {kind!r}; known are {', '.join(sorted(KNOWN))}, and .gz or "
            f".bz2 after those; if it is one of them under another ending, say so ({text.prefix}format = 'csv')"
        )
    with opened(parts.files, name) as stream:
        if kind in PARQUET:
            yield from parquet_parts(stream, columns, bad)
        elif kind in JSON:
            yield read_json(stream, columns, bad)
        else:
            yield read_delimited(stream, text.form(kind), columns, bad)
