"""Impressions from an adapter's records as dense arrays, and the histories that a model is trained on."""

from typing import TYPE_CHECKING

import attrs
import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortstack.contracts.datasets import Records
from shortstack.data.catalogue import Catalogue, Item
from shortstack.data.checks import SPLITS
from shortstack.data.hashing import seeded_hashes
from shortstack.data.impressions import Impressions
from shortstack.data.interactions import with_descriptions, without_titles
from shortstack.data.sequences import Sequences
from shortstack.data.splits import TEST, TRAIN, VALID, GlobalTime
from shortstack.errors import ConfigurationError, DataError, EmptyDataError

if TYPE_CHECKING:
    from shortstack.data.interactions import Fact

_VALID_SHARE = 0.1
_COLUMNS = {
    "user": pl.String,
    "timestamp": pl.Int64,
    "history": pl.List(pl.String),
    "shown": pl.List(pl.String),
    "clicked": pl.List(pl.Boolean),
    "split": pl.String,
}


@attrs.frozen(kw_only=True, eq=False)
class Shown:
    """Impressions, their items, and the histories and clicks of the users of the training part.

    Attributes:
        impressions: Impressions of all parts.
        catalogue: Every item that was read or shown.
        sequences: Each training user's first history, then the clicks, oldest first; all of it training.
        facts: Counts, for the record.
    """

    impressions: Impressions
    catalogue: Catalogue
    sequences: Sequences
    facts: "dict[str, Fact]"

    @classmethod
    def from_records(cls, records: Records, *, split: str, seed: int = 0) -> "Shown":
        """Number items and users by a seeded hash, and split the impressions.

        Args:
            records: Records from an adapter.
            split: ``"global-time"``, or ``"official"``: of two published parts the later one is test, and the last tenth
                of the first one is valid.
            seed: Seed of the hashes.

        Raises:
            DataError: There are no impressions, or no official parts.
            ConfigurationError: The split is not one of these.
            EmptyDataError: A part is empty.
        """
        table = _checked(records)
        items = _by_hash(pl.concat([table["history"].explode(), table["shown"].explode()]), "item", seed)
        users = _by_hash(table["user"], "user", seed)
        splits = _parts(table, split)
        shown, offsets = _dense(table["shown"], items)
        read, read_offsets = _dense(table["history"], items)
        impressions = Impressions(
            users=_places(table["user"], users),
            splits=splits,
            read=read,
            read_offsets=read_offsets,
            shown=shown,
            shown_offsets=offsets,
            clicked=table["clicked"].explode().to_numpy(),
        )
        facts: dict[str, Fact] = {
            "edition": records.edition.name,
            "bad_rows_skipped": records.skipped.rows,
            "bad_rows_first": "; ".join(records.skipped.examples) or None,
            "impressions": len(table),
            "users": len(users),
            "items": len(items),
            "clicks": int(impressions.clicked.sum()),
            "shown_median": float(np.median(np.diff(offsets))),
            "impressions_without_history": int((np.diff(read_offsets) == 0).sum()),
            **{f"{name}_impressions": int((splits == code).sum()) for code, name in enumerate(SPLITS)},
            "seed": seed,
        }
        described = records.items.collect()
        known = with_descriptions(items, described)
        catalogue = _catalogue(known)
        facts["remarks"] = "; ".join([*records.remarks, *without_titles(known, described)]) or None
        facts["items_without_title"] = sum(not item.title.strip() for item in catalogue.items)
        return cls(
            impressions=impressions, catalogue=catalogue, sequences=_learnt(impressions, len(items)), facts=facts
        )


def _checked(records: Records) -> pl.DataFrame:
    """Return the impressions in the order of time.

    Raises:
        DataError: The source has no impressions, or a column is missing or of another type.
        EmptyDataError: The table is empty.
    """
    if records.impressions is None:
        raise DataError(
            f"{records.edition.name} does not say what users were shown, which the task 'click' ranks; use data that do, "
            "such as MIND, or the task 'next-item'"
        )
    table = records.impressions.collect()
    for name, dtype in _COLUMNS.items():
        if name not in table.columns or table[name].dtype != dtype:
            dtype_found = table[name].dtype if name in table.columns else "nothing"
            raise DataError(f"the column {name!r} of the impressions must be {dtype}, not {dtype_found}")
    if table.is_empty():
        raise EmptyDataError(f"{records.edition.name} holds no impressions")
    return table.sort("timestamp", maintain_order=True)


def _by_hash(names: pl.Series, kind: str, seed: int) -> pl.Series:
    """Return the distinct names in the order of a seeded hash, which carries no information."""
    distinct = names.drop_nulls().unique().sort()
    return distinct[np.argsort(seeded_hashes(distinct, kind=kind, seed=seed), kind="stable")]


def _places(values: pl.Series, names: pl.Series) -> NDArray[np.int64]:
    lookup = pl.DataFrame({"name": names, "place": np.arange(len(names))})
    joined = values.rename("name").to_frame().join(lookup, on="name", how="left", maintain_order="left")
    return joined["place"].to_numpy()


def _dense(lists: pl.Series, items: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the dense items of all lists, and the offsets of the lists."""
    offsets = np.concatenate([[0], np.cumsum(lists.list.len().to_numpy())]).astype(np.int64)
    flat = lists.filter(lists.list.len() > 0).explode()
    return _places(flat, items).astype(np.int64), offsets


def _parts(table: pl.DataFrame, split: str) -> NDArray[np.int8]:
    times = table["timestamp"].to_numpy()
    if split == "global-time":
        return GlobalTime().codes(times, times)
    if split != "official":
        raise ConfigurationError(
            f"the task 'click' divides impressions by 'global-time' or 'official', not by {split!r}: set data.split"
        )
    if table["split"].null_count() or table["split"].n_unique() == 1:
        raise DataError(
            "these impressions are one published part, or none; read the others too, or split by 'global-time'"
        )
    codes = np.array([SPLITS.index(part) for part in table["split"]], dtype=np.int8)
    if table["split"].n_unique() == 2:
        codes = np.where(codes == codes.min(), TRAIN, TEST).astype(np.int8)
        train = np.flatnonzero(codes == TRAIN)  # in the order of time
        codes[train[int(len(train) * (1 - _VALID_SHARE)) :]] = VALID
    return codes


def _learnt(impressions: Impressions, items: int) -> Sequences:
    """Return one sequence per training user: the history of the first impression, then each click."""
    train = impressions.of("train")
    owners = np.repeat(np.arange(len(train)), np.diff(train.shown_offsets))[train.clicked]
    clicks, clickers = train.shown[train.clicked], train.users[owners]
    _, first, positions = np.unique(train.users, return_index=True, return_inverse=True)
    histories = [train.history(row) for row in first]
    by_user = np.argsort(clickers, kind="stable")
    counts = np.bincount(positions[owners], minlength=len(first))
    parts = np.split(clicks[by_user], np.cumsum(counts)[:-1])
    joined = [np.concatenate(pair) for pair in zip(histories, parts, strict=True)]
    return Sequences(
        items=np.concatenate(joined).astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum([len(sequence) for sequence in joined])]).astype(np.int64),
        splits=np.zeros(sum(len(sequence) for sequence in joined), dtype=np.int8),
        catalogue_size=items,
    )


def _catalogue(known: pl.DataFrame) -> Catalogue:
    return Catalogue(
        items=[
            Item(id=row["item"], title=row["title"] or "", category=row["category"] or "", token=token)
            for token, row in enumerate(known.iter_rows(named=True), start=1)
        ]
    )
