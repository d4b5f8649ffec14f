"""An adapter's records, read once; and a digest of them, which says whether a source still holds the same."""

import hashlib
import json
from collections.abc import Sequence

import attrs
import polars as pl

from shortstack.contracts.datasets import Records
from shortstack.errors import PluginError
from shortstack.frames import hash_column


def require_records(found: object) -> Records:
    """What an adapter's ``read`` gave.

    Raises:
        PluginError: It is something else.
    """
    if not isinstance(found, Records):
        raise PluginError(f"an adapter's read must give shortstack.contracts.Records, got a {type(found).__name__}")
    return found


def read_once(records: Records, tables: Sequence[str]) -> Records:
    """The same records, some of whose tables are in memory: whoever collects them again does not read again.

    Args:
        records: Lazy.
        tables: Names among ``interactions``, ``items`` and ``impressions``.
    """
    found = {name: getattr(require_records(records), name) for name in tables}
    return attrs.evolve(records, **{name: table.collect().lazy() for name, table in found.items() if table is not None})


def digest_of(records: Records, tables: Sequence[str]) -> str:
    """A hash of all that these tables hold, of the edition, and of how many rows were left out.

    It is of the values alone: neither the version of polars nor the number of its threads changes it.

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
        frame = pl.DataFrame() if table is None else table.collect()
        for column in frame.sort("item") if name == "items" and "item" in frame.columns else frame:  # in no order
            hash_column(hashed, column)
    return hashed.hexdigest()
