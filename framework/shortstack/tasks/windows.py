"""Windows over long histories: cutting them, and balancing them over users."""

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.sequences import Sequences
from shortstack.errors import EmptyDataError

Positions = NDArray[np.int64]


@attrs.frozen(kw_only=True)
class Windows:
    """Settings of every task that reads histories.

    Attributes:
        window: Largest number of items that the model sees.
        stride: Distance in items between the ends of consecutive windows; by default half a window. At most ``window``,
            so that every item after a user's first is a label in some window.
        user_balance: A user's share of the training examples grows with ``windows ** user_balance``: 1 takes every window
            once; below 1, users with few windows have theirs repeated and users with many have some left out; 0 gives
            every user the same share, as evaluation does.
    """

    window: int = attrs.field(default=50, validator=attrs.validators.ge(1))
    stride: int | None = attrs.field(default=None)
    user_balance: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])

    @stride.validator
    def _covers_all(self, _attribute: object, stride: int | None) -> None:
        if stride is not None and not 1 <= stride <= self.window:
            raise ValueError(f"stride must be from 1 to the window of {self.window}, got {stride}")

    def cut(self, starts: Positions, stops: Positions, length: int) -> tuple[Positions, Positions]:
        """Return the starts and stops of windows of at most ``length`` over each span, balanced over the spans."""
        starts, stops, counts = _windows(starts, stops, length, self.stride or max(1, self.window // 2))
        chosen = _balanced(counts, self.user_balance)
        return starts[chosen], stops[chosen]


def training_spans(sequences: Sequences, least: int = 2) -> tuple[Positions, Positions]:
    """Return the starts and stops of the training items of each user with at least ``least``: one to see, one to predict.

    Raises:
        EmptyDataError: No user has ``least`` of them.
    """
    starts, lengths = sequences.offsets[:-1], sequences.training_lengths
    enough = lengths >= least
    if not enough.any():
        many = "two training interactions" if least == 2 else "a training interaction"
        raise EmptyDataError(f"no user has {many}, so there is nothing to predict; use more data")
    return starts[enough], (starts + lengths)[enough]


def drawn(starts: Positions, stops: Positions, count: int, seed: int) -> tuple[Positions, Positions]:
    """Return a seeded sample of ``count`` spans, in their order; all, if there are fewer.

    >>> [edges.tolist() for edges in drawn(np.array([0, 4]), np.array([4, 9]), count=5, seed=0)]
    [[0, 4], [4, 9]]
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(starts))[:count])
    return starts[chosen], stops[chosen]


def _windows(starts: Positions, stops: Positions, length: int, stride: int) -> tuple[Positions, Positions, Positions]:
    """Cut each span into windows of at most ``length``, the last ending with the span; return starts, stops and counts.

    >>> [edges.tolist() for edges in _windows(np.array([0, 9]), np.array([9, 12]), length=4, stride=3)]
    [[0, 2, 5, 9], [3, 6, 9, 12], [3, 1]]
    """
    counts = 1 + np.maximum(0, -(-(stops - starts - length) // stride))
    spans = np.repeat(np.arange(len(starts)), counts)
    first = np.cumsum(counts) - counts
    # counted from the last window of the span, which ends where the span does
    back = (counts[spans] - 1 - (np.arange(len(spans)) - first[spans])) * stride
    ends = stops[spans] - back
    return np.maximum(starts[spans], ends - length), ends, counts


def _balanced(counts: Positions, power: float) -> Positions:
    """Return the indices of windows to take: ``counts ** power`` of each user's up to a common factor, about as many as before.

    A user's windows are taken evenly, and always the last one.

    >>> _balanced(np.array([6, 2]), 0.0).tolist()
    [1, 2, 4, 5, 6, 6, 7, 7]
    """
    if power == 1.0:
        return np.arange(counts.sum())
    shares = counts**power
    wanted = np.maximum(1, np.rint(shares * (counts.sum() / shares.sum()))).astype(np.int64)
    first = np.cumsum(counts) - counts
    users = np.repeat(np.arange(len(counts)), wanted)
    nth = np.arange(len(users)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    chosen: Positions = first[users] + ((nth + 1) * counts[users] + wanted[users] - 1) // wanted[users] - 1
    return chosen
