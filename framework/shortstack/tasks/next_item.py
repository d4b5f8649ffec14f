"""Which item comes next? A history is a sequence of item tokens, every item of the catalogue a candidate."""

from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences, SplitName
from shortstack.errors import EmptyDataError
from shortstack.tasks.examples import Examples

if TYPE_CHECKING:
    from torch import Tensor

Positions = NDArray[np.int64]


@attrs.frozen(kw_only=True)
class NextItem:
    """Windows over each user's history, the last one ending with the most recent training item.

    Attributes:
        window: How many items the model sees at most; a training example has one more, the last to predict.
        stride: Earlier windows end this many items before the next; by default half a window. At most ``window``, so
            that every item after a user's first is predicted somewhere.
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

    def training_examples(self, sequences: Sequences, catalogue: Catalogue) -> Examples:
        """Windows of every user's training items, balanced over users; every position is supervised.

        Raises:
            EmptyDataError: No user has two training items.
        """
        starts, stops = _training_spans(sequences)
        starts, stops, counts = _windows(starts, stops, self.window + 1, self.stride or max(1, self.window // 2))
        chosen = _balanced(counts, self.user_balance)
        starts, stops = starts[chosen], stops[chosen]
        return Examples(tokens=_tokens(sequences, catalogue), starts=starts, stops=stops, supervised=starts + 1)

    def calibration_examples(
        self, sequences: Sequences, catalogue: Catalogue, *, count: int = 256, seed: int = 0
    ) -> Examples:
        """The most recent training window of a seeded sample of users; its last item is the only label.

        Args:
            sequences: The histories; never their validation or test items.
            catalogue: The items.
            count: How many users; all, if there are fewer.
            seed: Of the sample.

        Raises:
            EmptyDataError: No user has two training items.
        """
        starts, stops = _training_spans(sequences)
        drawn = np.random.default_rng(seed).permutation(len(starts))[:count]
        starts, stops = starts[np.sort(drawn)], stops[np.sort(drawn)]
        starts = np.maximum(starts, stops - (self.window + 1))
        return Examples(tokens=_tokens(sequences, catalogue), starts=starts, stops=stops, supervised=stops - 1)

    def evaluation_examples(self, sequences: Sequences, catalogue: Catalogue, *, split: SplitName) -> Examples:
        """The most recent window before each case's target, and the target as the only label.

        A case without history is one token without a label: nothing comes before it to predict it from.

        Raises:
            EmptyDataError: The split has no interactions.
        """
        cases = sequences.cases(split)
        stops = cases.stops + 1
        starts = np.maximum(cases.starts, stops - (self.window + 1))
        return Examples(tokens=_tokens(sequences, catalogue), starts=starts, stops=stops, supervised=stops - 1)

    def candidates(self, catalogue: Catalogue) -> "Tensor":
        """int64 ``(items,)``: the token of each item, in dense order."""
        import torch

        return torch.tensor(catalogue.tokens, dtype=torch.long)


def _tokens(sequences: Sequences, catalogue: Catalogue) -> NDArray[np.int64]:
    """int64 ``(interactions,)``: the token of each interaction's item."""
    return np.asarray(catalogue.tokens, dtype=np.int64)[sequences.items]


def _training_spans(sequences: Sequences) -> tuple[Positions, Positions]:
    """Where the training items start and stop, of each user with at least two: one to see, one to predict."""
    seen = np.concatenate([[0], np.cumsum(sequences.splits == 0)])
    starts = sequences.offsets[:-1]
    lengths = seen[sequences.offsets[1:]] - seen[starts]
    enough = lengths >= 2
    if not enough.any():
        raise EmptyDataError("no user has two training interactions, so there is nothing to predict; use more data")
    return starts[enough], (starts + lengths)[enough]


def _windows(starts: Positions, stops: Positions, length: int, stride: int) -> tuple[Positions, Positions, Positions]:
    """Cut each span into windows of at most ``length``, the last ending where the span does; and how many each has.

    >>> [edges.tolist() for edges in _windows(np.array([0, 9]), np.array([9, 12]), length=4, stride=3)]
    [[0, 2, 5, 9], [3, 6, 9, 12], [3, 1]]
    """
    counts = 1 + np.maximum(0, -(-(stops - starts - length) // stride))
    spans = np.repeat(np.arange(len(starts)), counts)
    first = np.cumsum(counts) - counts
    back = (counts[spans] - 1 - (np.arange(len(spans)) - first[spans])) * stride
    ends = stops[spans] - back
    return np.maximum(starts[spans], ends - length), ends, counts


def _balanced(counts: Positions, power: float) -> Positions:
    """Which windows to take, ``counts ** power`` of each user's up to a common factor, about as many as there are.

    A user's windows are taken evenly, the last one always.

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
