"""Conversion of tables to records: interactions, and items with one row each."""

import html
import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from shortstack.contracts import Edition, Records
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.gathered import without_codes

_TYPES: Final = {"rating": pl.Float64, "timestamp": pl.Int64}
_INTERACTION: Final = ("user", "item", "rating", "timestamp")
_WHOLE: Final = r"^-?\d+(\.0+)?$"
_FRACTION: Final = r"\.0+$"
_ITEM: Final = ("item", "title", "category", "text")
_TAG: Final = re.compile(r"<[a-zA-Z/!][^<>]*>?")


def filled(rows: pl.DataFrame, roles: Sequence[str] = _INTERACTION) -> pl.DataFrame:
    """Return the columns of these roles, null where the table lacks them."""
    missing = [
        pl.lit(None, dtype=_TYPES.get(role, pl.String)).alias(role) for role in roles if role not in rows.columns
    ]
    return rows.with_columns(missing).select(roles)


def described(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``item``, ``title``, ``category``, ``text``, one row per item; of several, the first by title.

    So the order of the rows does not matter.
    """
    rows = rows.select(name for name in _ITEM if name in rows.columns)
    # without texts, equal rows are one; so there are few to sort, where the rows are interactions
    rows = without_codes(rows if "text" in rows.columns else rows.unique())
    return filled(rows, _ITEM).sort(*_ITEM[:3], nulls_last=True).unique("item", keep="first", maintain_order=True)


def plain_text(text: object) -> str | None:
    """Return a text without HTML and with single blanks; None if nothing is left or it is no text.

    >>> plain_text("Tom &amp; Jerry"), plain_text('<span class="a-size-medium a-color-secondary"')
    ('Tom & Jerry', None)
    """
    if not isinstance(text, str):
        return None
    whole = text.encode("utf-8", "replace").decode()  # lone surrogates cannot be stored as UTF-8
    return " ".join(html.unescape(_TAG.sub(" ", whole)).split()) or None


def as_html(text: object) -> str | None:
    """Escape a text for HTML, for ``plain_text`` to read back."""
    return html.escape(text, quote=False) if isinstance(text, str) else None


def as_records(rows: pl.DataFrame, known: pl.DataFrame, edition: Edition, bad: BadRows) -> Records:
    """Make an adapter's records of interactions and of the known items.

    Columns ``split`` and ``category`` of the interactions are kept.
    """
    kept = [name for name in ("split", "category") if name in rows.columns]
    (rows,) = of_one_kind("user", filled(rows, (*_INTERACTION, *kept)))
    rows, known = of_one_kind("item", rows, known)
    return Records(
        interactions=rows.lazy(),
        items=described(known).lazy(),
        edition=edition,
        skipped=bad.skipped,
        remarks=bad.remarks,
    )


def of_one_kind(role: str, *tables: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the tables with ids in one notation: if all ids are whole numbers, they lose their ``.0`` or ``.00``.

    Programs without missing values for integers write ``12.0`` for 12, and databases have ``12.00`` as a decimal. Ids
    such as ``1.0`` beside ``1.0b`` stay.
    """
    ids = [table[role].unique().cast(pl.String) for table in tables]
    if not any(column.str.contains(_FRACTION).any() for column in ids):
        return list(tables)
    if not all(column.str.contains(_WHOLE).all() for column in ids):
        return list(tables)
    return [table.with_columns(pl.col(role).cast(pl.String).str.replace(_FRACTION, "")) for table in tables]
