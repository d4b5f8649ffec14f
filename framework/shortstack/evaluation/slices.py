"""Slices of the cases: popular, rare and new targets, short and long histories, known and unknown users."""

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.sequences import Cases, Sequences

HEAD_SHARE = 0.5
"""The head is the fewest items that together hold this share of the training interactions."""


@attrs.frozen(kw_only=True, eq=False)
class Slices:
    """Division of cases into slices, fitted on the training part alone.

    Attributes:
        head: Bool ``(items,)``: True for the fewest items that hold half of the training interactions.
        known: Bool ``(items,)``: True if the item has training interactions.
        warm: Bool ``(users,)``: True if the user has training interactions.
        short: A history of at most this many items is short: the median over the users with training interactions.
    """

    head: NDArray[np.bool_]
    known: NDArray[np.bool_]
    warm: NDArray[np.bool_]
    short: int

    @classmethod
    def fit(cls, sequences: Sequences) -> "Slices":
        """Fit the slices on the training interactions."""
        histories = sequences.train()
        counts = np.bincount(np.concatenate(histories), minlength=sequences.catalogue_size)
        lengths = np.array([len(history) for history in histories])
        warm = lengths > 0
        short = int(np.median(lengths[warm])) if warm.any() else 0
        return cls(head=_head(counts), known=counts > 0, warm=warm, short=short)

    def masks(self, cases: Cases) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of each slice, ``{name: bool (cases,)}``; each pair of slices partitions the cases."""
        head, warm = self.head[cases.targets], self.warm[cases.users]
        known = self.known[cases.targets]
        short = cases.stops - cases.starts <= self.short
        return {
            "head": head,
            "tail": ~head,
            "known-item": known,
            "new-item": ~known,
            "short": short,
            "long": ~short,
            "warm": warm,
            "cold": ~warm,
        }

    def facts(self) -> Mapping[str, int]:
        """Return the thresholds, for the record."""
        return {"head_items": int(self.head.sum()), "short_history_items": self.short}


def _head(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the mask of the most frequent items that together hold ``HEAD_SHARE`` of the counts; ties by dense id.

    >>> _head(np.array([1, 5, 2])).tolist()
    [False, True, False]
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    head = np.zeros(len(counts), dtype=bool)
    head[order] = before < HEAD_SHARE * counts.sum()
    return head
