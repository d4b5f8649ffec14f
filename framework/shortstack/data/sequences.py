"""Histories as plain arrays: all that the stages after the data stage need."""

from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.errors import ConfigurationError, EmptyDataError

SplitName = Literal["train", "valid", "test"]

Seen = Literal["exclude", "include"]
"""Rule for items of a user's history: excluded from the candidates of that user, or included like all others."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Cases:
    """Next-item prediction cases: a history and the item that came next, one per row.

    Attributes:
        users: int64 ``(cases,)``: the user.
        targets: int64 ``(cases,)``: the item that came next.
        starts: int64 ``(cases,)``: start of the user's history in ``items``.
        stops: int64 ``(cases,)``: its end, exclusive; the target is not part of it.
        items: int64: the flat histories of all users.
    """

    users: NDArray[np.int64]
    targets: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    items: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)

    def history(self, case: int) -> NDArray[np.int64]:
        """Return all of the user's items before the target, oldest first; may be empty."""
        return self.items[self.starts[case] : self.stops[case]]

    def at(self, rows: NDArray[np.int64]) -> "Cases":
        """Return the cases with these indices."""
        chosen = {name: getattr(self, name)[rows] for name in ("users", "targets", "starts", "stops")}
        return Cases(**chosen, items=self.items)

    @cached_property
    def repeats(self) -> NDArray[np.bool_]:
        """Bool ``(cases,)``: True if the target is in the history."""
        # all places of each item in order, so that two searches find those in a history
        places = np.argsort(self.items, kind="stable")
        keys = self.items[places] * len(places) + places
        first = self.targets * len(places)
        bounds = np.searchsorted(keys, [first + self.starts, first + self.stops])  # places in the history, as a range
        repeats: NDArray[np.bool_] = bounds[0] < bounds[1]
        return repeats


@attrs.frozen(kw_only=True, eq=False)
class Sequences:
    """Every user's items in time order, and the split of each.

    Attributes:
        items: int64 ``(interactions,)``: dense item ids, user after user, oldest first.
        offsets: int64 ``(users + 1,)``: user ``u`` owns ``items[offsets[u]:offsets[u + 1]]``.
        splits: int8 ``(interactions,)``: 0 train, 1 valid, 2 test; never decreasing within a user.
        catalogue_size: Number of items.
        ratings: int64 ``(interactions,)``: index of the option with which each was rated; None if ratings are not used.
    """

    items: NDArray[np.int64]
    offsets: NDArray[np.int64]
    splits: NDArray[np.int8]
    catalogue_size: int
    ratings: NDArray[np.int64] | None = None

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    def rated(self) -> NDArray[np.int64]:
        """Return the ratings.

        Raises:
            ConfigurationError: There are no ratings.
        """
        if self.ratings is None:
            raise ConfigurationError("the task 'rating' needs sequences with ratings, as the data stage writes them")
        return self.ratings

    def train(self) -> list[NDArray[np.int64]]:
        """Return each user's training items, oldest first; empty for users without any."""
        return self.upto("train")

    def upto(self, split: SplitName) -> list[NDArray[np.int64]]:
        """Return each user's items of ``split`` and the splits before it, oldest first.

        >>> sequences = Sequences(
        ...     items=np.array([4, 2, 7]), offsets=np.array([0, 3]), splits=np.array([0, 1, 2]), catalogue_size=8
        ... )
        >>> [items.tolist() for items in sequences.upto("valid")]
        [[4, 2]]
        """
        code = get_args(SplitName).index(split)
        return [
            self.items[a:b][self.splits[a:b] <= code] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)
        ]

    def cases(self, split: SplitName) -> Cases:
        """Return one case for each interaction of a split, with all of the user's earlier items as history.

        Raises:
            EmptyDataError: The split has no interactions.
        """
        rows = np.flatnonzero(self.splits == get_args(SplitName).index(split))
        if not len(rows):
            raise EmptyDataError(f"the split {split!r} has no interactions; use more data or another split")
        users = np.searchsorted(self.offsets, rows, side="right") - 1
        return Cases(users=users, targets=self.items[rows], starts=self.offsets[users], stops=rows, items=self.items)

    def save(self, path: Path) -> None:
        """Write all of it to one safetensors file."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[np.generic]] = {"items": self.items, "offsets": self.offsets, "splits": self.splits}
        if self.ratings is not None:
            arrays["ratings"] = self.ratings
        save_file(arrays, path, metadata={"catalogue_size": str(self.catalogue_size)})

    @classmethod
    def load(cls, path: Path) -> "Sequences":
        """Read what ``save`` wrote."""
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no mapping
            return cls(**arrays, catalogue_size=int(file.metadata()["catalogue_size"]))
