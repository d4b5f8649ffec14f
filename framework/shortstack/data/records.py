"""An adapter's records, read once; and a digest of them, which detects a changed source."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import polars as pl

from shortstack.contracts.datasets import Records
from shortstack.data.coded import coded
from shortstack.errors import PluginError
from shortstack.frames import hash_column


def require_records(value: object) -> Records:
    """Return the result of an adapter's ``read``, checked.

    Raises:
        PluginError: The result is not ``Records``.
    """
    if not isinstance(value, Records):
        raise PluginError(f"an adapter's read must give shortstack.contracts.Records, got a {type(value).__name__}")
    return value


def read_once(records: Records, tables: Sequence[str], *, as_codes: bool) -> Records:
    """Return the records with some tables in memory, so that collecting them again does not read the source again.

    Args:
        records: Records with lazy tables.
        tables: Names among ``interactions``, ``items`` and ``impressions``.
        as_codes: The interactions hold each text once: their columns of names are ``Enum``, which code that expects
            ``String`` cannot join or search; else all texts are ``String``.
    """
    lazy_tables = {name: getattr(require_records(records), name) for name in tables}
    held: dict[str, Any] = {
        name: (coded(table) if as_codes and name == "interactions" else _as_texts(table.collect())).lazy()
        for name, table in lazy_tables.items()
        if table is not None
    }
    return attrs.evolve(records, **held)


def _as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    kinds = frame.schema.items()
    return frame.with_columns(pl.col(name).cast(pl.String) for name, kind in kinds if isinstance(kind, pl.Enum))


def digest_of(records: Records, tables: Sequence[str]) -> str:
    """Return a hash of the contents of these tables, of the edition, and of the number of skipped rows.

    It depends on the values alone: neither the version of polars nor the number of its threads changes it, nor whether
    texts are held once (``Enum``) or in each row.

    >>> table = pl.LazyFrame({"item": ["a", None], "title": ["Heat", ""]})
    >>> from shortstack.contracts import Edition
    >>> records = Records(interactions=table, items=table, edition=Edition(name="mine"))
    >>> digest_of(records, ["items"])[:8]
    '361bebae'
    """
    about = [records.edition.name, dict(records.edition.facts), records.skipped.rows]
    hashed = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode())
    for name in tables:
        table = getattr(records, name)
        # the items have no defined order; other tables keep theirs, which may be the order of events
        for column in () if table is None else _columns(table, in_order=name != "items"):
            hash_column(hashed, column)
    return hashed.hexdigest()


def _columns(table: pl.LazyFrame, *, in_order: bool) -> Iterator[pl.Series]:
    """Yield the columns of a table, with texts as such; the rows of a table without an order are sorted by ``item``."""
    frame = table.collect()
    for column in frame if in_order or "item" not in frame.columns else frame.sort("item"):
        yield column.cast(pl.String) if isinstance(column.dtype, pl.Enum) else column
