"""Impressions: lists of items shown to users, and their clicks, as plain arrays."""

from pathlib import Path
from typing import get_args

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.boundaries import read_as
from shortstack.data.sequences import SplitName
from shortstack.errors import EmptyDataError


@attrs.frozen(kw_only=True, eq=False)
class Impressions:
    """Impressions, one per row.

    Attributes:
        users: int64 ``(impressions,)``.
        splits: int8 ``(impressions,)``: 0 train, 1 valid, 2 test.
        read: int64: the dense items of all histories, row after row, oldest first.
        read_offsets: int64 ``(impressions + 1,)``: row ``r`` owns ``read[read_offsets[r]:read_offsets[r + 1]]``.
        shown: int64: the dense items of all lists, row after row.
        shown_offsets: int64 ``(impressions + 1,)``.
        clicked: bool, one per entry of ``shown``.
    """

    users: NDArray[np.int64]
    splits: NDArray[np.int8]
    read: NDArray[np.int64]
    read_offsets: NDArray[np.int64]
    shown: NDArray[np.int64]
    shown_offsets: NDArray[np.int64]
    clicked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.users)

    def history(self, row: int) -> NDArray[np.int64]:
        """Return the items that the user had read before; may be empty."""
        return self.read[self.read_offsets[row] : self.read_offsets[row + 1]]

    def candidates(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the shown items, and the mask of clicked ones."""
        part = slice(self.shown_offsets[row], self.shown_offsets[row + 1])
        return self.shown[part], self.clicked[part]

    def of(self, split: SplitName) -> "Impressions":
        """Return the impressions of one part.

        Raises:
            EmptyDataError: The part has no impressions.
        """
        rows = np.flatnonzero(self.splits == get_args(SplitName).index(split))
        if not len(rows):
            raise EmptyDataError(f"the split {split!r} has no impressions; use more data or another split")
        read, read_offsets = _taken(self.read_offsets, rows)
        shown, shown_offsets = _taken(self.shown_offsets, rows)
        return Impressions(
            users=self.users[rows],
            splits=self.splits[rows],
            read=self.read[read],
            read_offsets=read_offsets,
            shown=self.shown[shown],
            shown_offsets=shown_offsets,
            clicked=self.clicked[shown],
        )

    def save(self, path: Path) -> None:
        """Write all of it to one safetensors file."""
        from safetensors.numpy import save_file

        save_file(attrs.asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> "Impressions":
        """Read what ``save`` wrote."""
        from safetensors.numpy import load_file

        with read_as(path, "is damaged", "remove its folder, and the next run makes it again"):
            return cls(**load_file(path))


def shown_by_user(impressions: Impressions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what each user was shown in all impressions, user after user, and the offsets of the users."""
    owners = np.repeat(impressions.users, np.diff(impressions.shown_offsets))
    counts = np.bincount(owners, minlength=int(impressions.users.max()) + 1)
    return impressions.shown[np.argsort(owners, kind="stable")], np.concatenate([[0], np.cumsum(counts)])


def _taken(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the elements of some rows, and the offsets of these rows alone.

    >>> [part.tolist() for part in _taken(np.array([0, 2, 3, 6]), np.array([0, 2]))]
    [[0, 1, 3, 4, 5], [0, 2, 5]]
    """
    lengths = offsets[rows + 1] - offsets[rows]
    new = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(new[-1]) + np.repeat(offsets[rows] - new[:-1], lengths), new
