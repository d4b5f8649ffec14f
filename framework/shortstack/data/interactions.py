"""Interactions of users with items: one typed, validated table in which users and items are dense numbers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts.datasets import Edition, Records, Skipped
from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from shortstack.data.preparation import Preparation

Fact = str | int | float | None
MOST_OPTIONS = 20
"""Largest number of different ratings for the task ``rating``; usual scales have 2 to 11."""
_FEW, _RARE = 10, 1_000
"""A rating with fewer than 10 interactions, and fewer than one in 1,000, is taken for an error."""


@attrs.frozen(kw_only=True, eq=False)
class Interactions:
    """Every interaction, user after user, each user's oldest first.

    Attributes:
        table: Columns ``user`` and ``item`` (Int64, dense from 0), ``rating`` (Float64), ``timestamp`` (Int64, ms); and
            ``split`` and ``category`` (String) if the source has them.
        users: External user ids (String) in dense order: private, never printed.
        items: Columns ``item`` (external id), ``title``, ``category`` (String), in dense order.
        edition: Edition of the source.
        preparation: Filters that were applied.
        read: Number of interactions in the source.
        skipped: Bad rows of the source that were skipped.
        remarks: Notes for the user about how the source was read.
    """

    table: "pl.DataFrame"
    users: "pl.Series" = attrs.field(repr=False)
    items: "pl.DataFrame"
    edition: Edition
    preparation: "Preparation"
    read: int
    skipped: Skipped = attrs.field(factory=Skipped)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def from_records(cls, records: Records, **how: Any) -> "Interactions":
        """Validate, filter, number and order records.

        With ``ties="hash"`` the result is the same, to the byte, for any order of the rows and any ``PYTHONHASHSEED``.

        Args:
            records: Records from an adapter.
            **how: The settings of ``shortstack.data.preparation.Preparation``.

        Raises:
            DataError: A column is missing, has another type, or holds invalid values.
            EmptyDataError: No interactions are left.
            PluginError: The adapter did not return ``Records``.
        """
        from shortstack.data.checks import check_items, doubts
        from shortstack.data.coded import coded
        from shortstack.data.preparation import Preparation, prepare
        from shortstack.data.records import require_records

        require_records(records)
        preparation = Preparation(**how)
        raw, described = coded(records.interactions), records.items.collect()
        prepared = prepare(raw, preparation)
        check_items(described)
        items = with_descriptions(prepared.items, described)
        return cls(
            table=prepared.table,
            users=prepared.users,
            items=items,
            edition=records.edition,
            preparation=preparation,
            read=len(raw),
            skipped=records.skipped,
            remarks=(*records.remarks, *doubts(raw, described), *without_titles(items, described)),
        )

    def catalogue(self, *, first_token: int = 1) -> Catalogue:
        """Return the catalogue for a vocabulary of items alone: item ``i`` is the token ``i + first_token``."""
        rows = self.items.iter_rows(named=True)
        items = [
            Item(id=row["item"], title=row["title"] or "", category=row["category"] or "", token=token)
            for token, row in enumerate(rows, start=first_token)
        ]
        return Catalogue(items=items)

    def rated(self) -> "tuple[Catalogue, NDArray[np.int64]]":
        """Return the catalogue with rating options, and the option of each interaction, for the task ``rating``.

        Raises:
            DataError: Some interactions have no rating, there are too few or too many different ratings, or one is too
                rare.
        """
        import polars as pl

        ratings = self.table["rating"]
        if ratings.null_count():
            raise DataError(
                f"the task 'rating' needs the rating of every interaction, but {ratings.null_count():,} of {len(self):,} "
                f"interactions of {self.edition.name} have none; name the column of ratings, or use the task 'next-item'"
            )
        scale = ratings.unique().sort()
        if not 2 <= len(scale) <= MOST_OPTIONS:
            raise DataError(
                f"the task 'rating' chooses among 2 to {MOST_OPTIONS} ratings, but {self.edition.name} has "
                f"{_too_few_or_many(scale.to_list())}; use the task 'next-item'"
            )
        _require_options(ratings, self.edition.name)
        catalogue = self.catalogue()
        options = [Option(value=value, token=token) for token, value in enumerate(scale, start=catalogue.vocabulary)]
        return attrs.evolve(catalogue, options=options), scale.search_sorted(ratings).cast(pl.Int64).to_numpy()

    def facts(self) -> dict[str, Fact]:
        """Return counts and times for the record, without ids of users."""
        users, items, rows = len(self.users), len(self.items), len(self)
        per_user = self.table["user"].value_counts()["count"]
        return {
            "edition": self.edition.name,
            "interactions_read": self.read,
            "bad_rows_skipped": self.skipped.rows,
            "bad_rows_first": "; ".join(self.skipped.examples) or None,
            "remarks": "; ".join(self.remarks) or None,
            "interactions": rows,
            "users": users,
            "items": items,
            "density": rows / (users * items),
            "interactions_per_user_median": _number(per_user.median()),
            "interactions_per_user_max": _number(per_user.max()),
            "duplicate_pairs": rows - (self.table["user"] * items + self.table["item"]).n_unique(),
            "tied_consecutive_share": tied_share(self.table),
            "items_without_title": int(_untitled(self.items).sum()),
            "first_time": _moment(self.table["timestamp"].min()),
            "last_time": _moment(self.table["timestamp"].max()),
            **attrs.asdict(self.preparation),
        }


def _require_options(ratings: "pl.Series", source: str) -> None:
    """Raise if a rating is so rare that it is more likely an error than part of the scale.

    Raises:
        DataError: A rating is too rare.
    """
    for value, count in ratings.value_counts().sort("rating").iter_rows():
        if count < _FEW and count * _RARE < len(ratings):
            raise DataError(
                f"only {count:,} of {len(ratings):,} interactions of {source} have the rating {value:g}, too few for an option of "
                "the task 'rating'; leave it out with min_rating, or correct the source"
            )


def _untitled(items: "pl.DataFrame") -> "pl.Series":
    """Return Bool ``(items,)``: True if the item has no title."""
    return items["title"].fill_null("").str.strip_chars() == ""


def without_titles(items: "pl.DataFrame", described: "pl.DataFrame") -> Iterator[str]:
    """Yield a remark if no item has a title, which mentions titles that the source has for other ids.

    Args:
        items: Columns ``item`` and ``title`` of the items in use.
        described: The same columns of all items that the source describes.
    """
    if not _untitled(items).all():
        return
    others = int((~_untitled(described)).sum())
    why = (
        f"the source has titles for {others:,} other ids: do both write ids alike?" if others else "the source has none"
    )
    yield f"none of the {len(items):,} items has a title; {why}"


def _too_few_or_many(scale: Sequence[float]) -> str:
    return f"only the rating {scale[0]:g}" if len(scale) == 1 else f"{len(scale):,} different ones, such as counts have"


def tied_share(table: "pl.DataFrame") -> float | None:
    """Return the share of users' consecutive interactions with equal timestamps; None without pairs or times.

    Args:
        table: Columns ``user`` and ``timestamp``, in order.
    """
    user, time = table["user"], table["timestamp"]
    same_user = user.diff() == 0
    if time.null_count() or not same_user.any():
        return None
    return int((same_user & (time.diff() == 0)).sum()) / int(same_user.sum())


def with_descriptions(names: "pl.Series", items: "pl.DataFrame") -> "pl.DataFrame":
    """Return ``item``, ``title``, ``category`` of each name, in the order of the names; null if unknown.

    Titles are normalised to Unicode's form NFC, in which they are typed; macOS writes NFD.
    """
    import polars as pl

    return names.to_frame("item").join(
        items.select("item", pl.col("title").str.normalize("NFC"), "category"),
        on="item",
        how="left",
        maintain_order="left",
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _moment(milliseconds: object) -> str | None:
    """Return milliseconds since 1970 as ISO 8601, UTC; None if there is no time.

    >>> _moment(0)
    '1970-01-01T00:00:00+00:00'
    """
    if not isinstance(milliseconds, int):
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="seconds")
