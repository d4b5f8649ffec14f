"""Statistics of a data set, before and after the filters and the split; without ids of users."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts.datasets import Records
from shortstack.errors import DataError, EmptyDataError

if TYPE_CHECKING:
    import polars as pl

MANY = 20
"""Largest number of distinct ratings that are listed; of more, such as play counts, a summary is given."""


def inspected(records: Records, *, split: str = "leave-last", **how: Any) -> dict[str, Any]:
    """Return counts, shares and times as JSON values.

    Args:
        records: Records from an adapter.
        split: The name of a split.
        **how: The settings of ``shortstack.data.preparation.Preparation``.

    Returns:
        ``edition``, ``facts``, ``users``, ``items``, ``interactions``, ``density``, ``ratings`` (value → count; or
        distinct, min, median, max), ``first`` and ``last`` (ISO 8601), ``tied_consecutive_share``, ``duplicate_pairs``,
        ``listed_items``, ``titled_share``, ``skipped``, ``remarks``, ``prepared`` (counts after the filters; or
        ``nothing_left``) and ``split`` (interactions of each part; or ``no_split``).

    Raises:
        DataError: The records violate the contract.
        EmptyDataError: There are no records.
    """
    from shortstack.data.interactions import Interactions

    whole = Interactions.from_records(records, core=0)
    facts, listed = whole.facts(), records.items.collect()
    return {
        "edition": records.edition.name,
        "facts": dict(records.edition.facts),
        "users": facts["users"],
        "items": facts["items"],
        "interactions": facts["interactions"],
        "density": facts["density"],
        "ratings": _ratings(whole.table["rating"]),
        "first": facts["first_time"],
        "last": facts["last_time"],
        "tied_consecutive_share": facts["tied_consecutive_share"],
        "duplicate_pairs": facts["duplicate_pairs"],
        "listed_items": len(listed),
        "titled_share": 1 - int(facts["items_without_title"] or 0) / len(whole.items),
        "skipped": attrs.asdict(records.skipped),
        "remarks": list(whole.remarks),
        **_left(records, split, how),
    }


def _left(records: Records, split_name: str, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts after the filters and the split, or the reason why nothing is left."""
    from shortstack.data.interactions import Interactions
    from shortstack.data.splits import split

    try:
        made = Interactions.from_records(records, **how)
    except EmptyDataError as error:
        return {"nothing_left": str(error)}
    facts = made.facts()
    prepared = {name: facts[name] for name in ("users", "items", "interactions", "density")}
    try:
        sequences = split(made, split_name)
    except DataError as error:
        return {"prepared": prepared, "no_split": str(error)}
    parts = {name: int((sequences.splits == code).sum()) for code, name in enumerate(("train", "valid", "test"))}
    return {"prepared": prepared, "split": {"name": split_name, **parts}}


def _ratings(ratings: "pl.Series") -> dict[str, Any]:
    there = ratings.drop_nulls()
    counts = there.value_counts().sort("rating")
    if len(counts) <= MANY:
        return {str(int(value)) if value.is_integer() else str(value): count for value, count in counts.rows()}
    return {"distinct": len(counts), "min": there.min(), "median": there.median(), "max": there.max()}
