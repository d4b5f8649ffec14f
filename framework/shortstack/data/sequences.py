"""Histories as plain tensors: all that the stages after the data need to know of it."""

from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.errors import ConfigurationError, EmptyDataError

SplitName = Literal["train", "valid", "test"]

Seen = Literal["exclude", "include"]
"""Whether items of a user's history are left out of what is ranked for that user, or are candidates like all others."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Cases:
    """Questions of the form "what came next?": one row each.

    Attributes:
        users: int64 ``(cases,)``: whose history it is.
        targets: int64 ``(cases,)``: the item that came next.
        starts: int64 ``(cases,)``: where the user's history starts in ``items``.
        stops: int64 ``(cases,)``: where it ends, the target excluded.
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
        """Everything the user did before the target, oldest first; may be empty."""
        return self.items[self.starts[case] : self.stops[case]]

    def at(self, rows: NDArray[np.int64]) -> "Cases":
        """Some of the cases."""
        chosen = {name: getattr(self, name)[rows] for name in ("users", "targets", "starts", "stops")}
        return Cases(**chosen, items=self.items)

    @cached_property
    def repeats(self) -> NDArray[np.bool_]:
        """Bool ``(cases,)``: whether the target is in the history already."""
        places = np.argsort(self.items, kind="stable")  # of each item, in their order
        keys = self.items[places] * len(places) + places
        first = self.targets * len(places)
        found = np.searchsorted(keys, [first + self.starts, first + self.stops])  # places in the history, as a range
        repeats: NDArray[np.bool_] = found[0] < found[1]
        return repeats


@attrs.frozen(kw_only=True, eq=False)
class Sequences:
    """Every user's items in time order, and which split each belongs to.

    Attributes:
        items: int64 ``(interactions,)``: dense item ids, user after user, oldest first.
        offsets: int64 ``(users + 1,)``: user ``u`` owns ``items[offsets[u]:offsets[u + 1]]``.
        splits: int8 ``(interactions,)``: 0 train, 1 valid, 2 test; never decreasing within a user.
        catalogue_size: How many items there are.
        ratings: int64 ``(interactions,)``: which option of the catalogue each was rated with; None where nobody rates.
    """

    items: NDArray[np.int64]
    offsets: NDArray[np.int64]
    splits: NDArray[np.int8]
    catalogue_size: int
    ratings: NDArray[np.int64] | None = None

    @property
    def users(self) -> int:
        """How many users there are."""
        return len(self.offsets) - 1

    def rated(self) -> NDArray[np.int64]:
        """The ratings.

        Raises:
            ConfigurationError: There are none.
        """
        if self.ratings is None:
            raise ConfigurationError("the task 'rating' needs sequences with ratings, as the data stage writes them")
        return self.ratings

    def train(self) -> list[NDArray[np.int64]]:
        """Each user's training items, oldest first; users without any are left in, empty."""
        return self.upto("train")

    def upto(self, split: SplitName) -> list[NDArray[np.int64]]:
        """Each user's items of ``split`` and the splits before it, oldest first."""
        code = get_args(SplitName).index(split)
        return [
            self.items[a:b][self.splits[a:b] <= code] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)
        ]

    def cases(self, split: SplitName) -> Cases:
        """One case for each interaction of a split, with everything the user did before as history.

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
