"""Next-item prediction: a history is a sequence of item tokens, and every item of the catalogue is a candidate."""

from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences, SplitName
from shortstack.tasks.examples import Examples, ItemTokens
from shortstack.tasks.windows import Windows, drawn, training_spans

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.tasks.feedback import Reads


@attrs.frozen(kw_only=True)
class NextItem(Windows):
    """Windows over each user's history, the last one ending with the most recent training item.

    A training example has one item more than the window: the last, to predict.
    """

    @property
    def longest(self) -> int:
        """Largest number of tokens of an example: the window and its target."""
        return self.window + 1

    @property
    def reads(self) -> "Reads":
        """Interactions: the items that users chose."""
        return "interactions"

    def training_examples(self, sequences: Sequences, catalogue: Catalogue) -> Examples:
        """Return windows of every user's training items, balanced over users; every position is supervised.

        Raises:
            EmptyDataError: No user has two training items.
        """
        starts, stops = self.cut(*training_spans(sequences), self.window + 1)
        return _examples(sequences, catalogue, starts, stops, starts + 1)

    def calibration_examples(
        self, sequences: Sequences, catalogue: Catalogue, *, count: int = 256, seed: int = 0
    ) -> Examples:
        """Return the most recent training window of a seeded sample of users; its last item is the only label.

        Args:
            sequences: The histories; their validation and test items are not used.
            catalogue: The items.
            count: Number of users; all, if there are fewer.
            seed: Seed of the sample.

        Raises:
            EmptyDataError: No user has two training items.
        """
        starts, stops = drawn(*training_spans(sequences), count, seed)
        starts = np.maximum(starts, stops - (self.window + 1))
        return _examples(sequences, catalogue, starts, stops, stops - 1)

    def evaluation_examples(self, sequences: Sequences, catalogue: Catalogue, *, split: SplitName) -> Examples:
        """Return the most recent window before each case's target, with the target as the only label.

        A case without history is one token without a label, for nothing precedes it.

        Raises:
            EmptyDataError: The split has no interactions.
        """
        cases = sequences.cases(split)
        stops = cases.stops + 1
        starts = np.maximum(cases.starts, stops - (self.window + 1))
        return _examples(sequences, catalogue, starts, stops, stops - 1)

    def candidates(self, catalogue: Catalogue) -> "Tensor":
        """Return the token of each item, int64 ``(items,)``, in the catalogue's order."""
        import torch

        return torch.tensor(catalogue.tokens, dtype=torch.long)


def _examples(
    sequences: Sequences,
    catalogue: Catalogue,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    supervised: NDArray[np.int64],
) -> Examples:
    """Make examples of spans of interactions, each the token of its item."""
    tokens = ItemTokens(items=sequences.pieces(), tokens=np.asarray(catalogue.tokens, dtype=np.int64))
    return Examples(tokens=tokens, starts=starts, stops=stops, supervised=supervised, opening=catalogue.opening)
