"""How does a user rate an item? A history is pairs of an item and its rating; the ratings that there are the candidates."""

from typing import TYPE_CHECKING

import attrs
import numpy as np

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError
from shortstack.tasks.examples import Examples
from shortstack.tasks.windows import Positions, Windows, drawn, training_spans

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.tasks import Reads


@attrs.frozen(kw_only=True)
class Rating(Windows):
    """Windows over each user's rated items; each is two tokens, the item and then its rating, and ratings are the labels.

    Attributes:
        window: How many items the model sees at most, the one to be rated among them.
    """

    window: int = attrs.field(default=25, validator=attrs.validators.ge(1))

    @property
    def longest(self) -> int:
        """How many tokens an example has at most."""
        return 2 * self.window

    @property
    def reads(self) -> "Reads":
        """What users chose and how they rated it."""
        return "ratings"

    def training_examples(self, sequences: Sequences, catalogue: Catalogue) -> Examples:
        """Windows of every user's training items, balanced over users; every rating is supervised.

        Raises:
            EmptyDataError: No user has a training item.
        """
        starts, stops = self.cut(*training_spans(sequences, least=1), self.window)
        return _examples(sequences, catalogue, starts, stops, starts)

    def calibration_examples(
        self, sequences: Sequences, catalogue: Catalogue, *, count: int = 256, seed: int = 0
    ) -> Examples:
        """The most recent training window of a seeded sample of users; its last rating is the only label.

        Raises:
            EmptyDataError: No user has a training item.
        """
        starts, stops = drawn(*training_spans(sequences, least=1), count, seed)
        return _examples(sequences, catalogue, np.maximum(starts, stops - self.window), stops, stops - 1)

    def candidates(self, catalogue: Catalogue) -> "Tensor":
        """int64 ``(options,)``: the token of each rating, from the lowest to the highest.

        Raises:
            ConfigurationError: The catalogue has no ratings.
        """
        import torch

        if not catalogue.options:
            raise ConfigurationError("the task 'rating' needs a catalogue with ratings, as the data stage writes it")
        return torch.tensor([option.token for option in catalogue.options], dtype=torch.long)


def pairs(sequences: Sequences, catalogue: Catalogue) -> Positions:
    """int64 ``(2 · interactions,)``: the token of each item and, behind it, of its rating.

    Raises:
        ConfigurationError: There are no ratings.
    """
    ratings = sequences.rated()
    tokens = np.empty(2 * len(sequences.items), dtype=np.int64)
    tokens[0::2] = np.asarray(catalogue.tokens, dtype=np.int64)[sequences.items]
    tokens[1::2] = np.array([option.token for option in catalogue.options], dtype=np.int64)[ratings]
    return tokens


def _examples(
    sequences: Sequences, catalogue: Catalogue, starts: Positions, stops: Positions, supervised: Positions
) -> Examples:
    """Spans of interactions as spans of tokens."""
    tokens = pairs(sequences, catalogue)
    answers = np.arange(len(tokens)) % 2 == 1
    return Examples(tokens=tokens, starts=2 * starts, stops=2 * stops, supervised=2 * supervised + 1, answers=answers)
