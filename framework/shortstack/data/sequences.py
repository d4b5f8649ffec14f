"""Histories as plain arrays: all that the stages after the data stage need."""

from functools import cached_property
from pathlib import Path
from typing import Final, Literal, get_args

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.boundaries import read_as
from shortstack.data.mapped_file import MappedFile, Pieces
from shortstack.errors import ConfigurationError, EmptyDataError

SplitName = Literal["train", "valid", "test"]

Seen = Literal["exclude", "include"]
"""Rule for items of a user's history: excluded from the candidates of that user, or included like all others."""

_AT_ONCE: Final = 1 << 20
"""Interactions that are looked at together, where looking at all would take memory for each."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Cases:
    """Next-item prediction cases: a history and the item that came next, one per row.

    Attributes:
        users: int64 ``(cases,)``: the user.
        targets: int64 ``(cases,)``: the item that came next.
        starts: int64 ``(cases,)``: start of the user's history in ``items``.
        stops: int64 ``(cases,)``: its end, exclusive; the target is not part of it.
        items: int64: the flat histories of all users.
        pieces: The same in a file; None if they are in memory.
    """

    users: NDArray[np.int64]
    targets: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    items: NDArray[np.int64]
    pieces: Pieces | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def history(self, case: int) -> NDArray[np.int64]:
        """Return all of the user's items before the target, oldest first; may be empty."""
        items = self._in_the_file or self.items
        return items[self.starts[case] : self.stops[case]]

    def at(self, rows: NDArray[np.int64]) -> "Cases":
        """Return the cases with these indices."""
        chosen = {name: getattr(self, name)[rows] for name in ("users", "targets", "starts", "stops")}
        return attrs.evolve(self, **chosen)

    @property
    def every_item(self) -> NDArray[np.int64]:
        """``items``, for looking at all of them once."""
        pieces = self._in_the_file
        return self.items if pieces is None else pieces.unread()

    @property
    def _in_the_file(self) -> Pieces | None:
        """Return the items' place in a file, unless others were put in their place since."""
        return self.pieces if self.pieces is not None and self.pieces.array is self.items else None

    @cached_property
    def repeats(self) -> NDArray[np.bool_]:
        """Bool ``(cases,)``: True if the target is in the history."""
        repeats = np.zeros(len(self), dtype=bool)
        in_order = np.argsort(self.starts, kind="stable")
        starts, ends = self.starts[in_order], np.maximum.accumulate(self.stops[in_order])
        items = self.every_item
        # some users at a time, so that the memory does not grow with the number of interactions
        first = 0
        while first < len(self):
            of_user = np.searchsorted(starts, starts[first], side="right")
            after = max(of_user, np.searchsorted(ends, starts[first] + _AT_ONCE))
            rows = in_order[first:after]
            repeats[rows] = self._repeats(rows, starts[first], items[starts[first] : ends[after - 1]])
            first = after
        return repeats

    def _repeats(self, rows: NDArray[np.int64], start: np.int64, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return ``repeats`` of some cases, whose histories lie in a part of the items, which begins at ``start``."""
        # all places of each item in order, so that two searches find those in a history
        places = np.argsort(items, kind="stable")
        keys = items[places] * len(places) + places
        first = self.targets[rows] * len(places) - start
        bounds = np.searchsorted(keys, [first + self.starts[rows], first + self.stops[rows]])
        repeats: NDArray[np.bool_] = bounds[0] < bounds[1]  # its places in the history, as a range
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
        file: The file that the arrays were mapped from; None if they never were.
    """

    items: NDArray[np.int64]
    offsets: NDArray[np.int64]
    splits: NDArray[np.int8]
    catalogue_size: int
    ratings: NDArray[np.int64] | None = None
    file: MappedFile | None = None

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    @property
    def training_lengths(self) -> NDArray[np.int64]:
        """Number of training items of each user, int64 ``(users,)``."""
        others = np.searchsorted(self.offsets, np.flatnonzero(self.unread().splits), side="right") - 1
        lengths: NDArray[np.int64] = np.diff(self.offsets) - np.bincount(others, minlength=self.users)
        return lengths

    @property
    def training_items(self) -> NDArray[np.int64]:
        """Dense ids of the items that are in any training history, int64, ascending."""
        known, whole = np.zeros(self.catalogue_size, dtype=bool), self.unread()
        for start in range(0, len(self.items), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            known[whole.items[part][whole.splits[part] == 0]] = True
        return np.flatnonzero(known)

    def unread(self) -> "Sequences":
        """Return the same with nothing of their file in this process's memory yet, if they are mapped from one.

        A page of a mapped file that was looked at stays in memory until the mapping is closed. What looks at everything once
        does so with these, and lets them go.
        """
        file = self._whole_file
        return Sequences.load(file.path) if file is not None and file.is_there() else self

    @property
    def _whole_file(self) -> MappedFile | None:
        """Return the file, unless other arrays were put in the place of its own since."""
        if self.file is None:
            return None
        same = all(getattr(self, name) is array for name, array in self.file.arrays.items())
        return self.file if same else None

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
        unread = self.unread()
        rows = np.flatnonzero(unread.splits == get_args(SplitName).index(split))
        if not len(rows):
            raise EmptyDataError(f"the split {split!r} has no interactions; use more data or another split")
        users = np.searchsorted(self.offsets, rows, side="right") - 1
        pieces = self.pieces()
        return Cases(
            users=users,
            targets=unread.items[rows],
            starts=self.offsets[users],
            stops=rows,
            items=self.items,
            pieces=pieces if isinstance(pieces, Pieces) else None,
        )

    def pieces(self) -> NDArray[np.int64] | Pieces:
        """Return ``items`` for looking at pieces of them: what is looked at of a mapped file does not stay in memory."""
        file = self._whole_file
        return self.items if file is None else Pieces.of(self.items, file, "items")

    def save(self, path: Path) -> None:
        """Write all of it to one safetensors file."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[np.generic]] = {"items": self.items, "offsets": self.offsets, "splits": self.splits}
        if self.ratings is not None:
            arrays["ratings"] = self.ratings
        save_file(arrays, path, metadata={"catalogue_size": str(self.catalogue_size)})

    @classmethod
    def load(cls, path: Path) -> "Sequences":
        """Map what ``save`` wrote into memory: only what is looked at is read, once for all processes of a machine.

        The arrays are to be read: what is written to them does not change the file, and is not seen by all that looks at them.
        """
        from safetensors import safe_open

        advice = "remove its folder, and the next run makes it again"
        # tensors of torch are views of the mapped file, where arrays would be copies
        with read_as(path, "is damaged", advice), safe_open(path, "pt") as file:
            arrays = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118 -- it is no mapping
            size = int(file.metadata()["catalogue_size"])
            return cls(**arrays, catalogue_size=size, file=attrs.evolve(MappedFile.at(path), arrays=arrays))
