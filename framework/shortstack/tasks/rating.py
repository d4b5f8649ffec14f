"""How does a user rate an item? A history is items, each with its rating behind it; the ratings that there are the candidates."""

from typing import TYPE_CHECKING

import attrs
import numpy as np

from shortstack.data.catalogue import Catalogue
from shortstack.data.rated_histories import RatedHistories
from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError
from shortstack.tasks.examples import Examples
from shortstack.tasks.windows import Positions, Windows, drawn, training_spans

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.tasks.feedback import Reads


@attrs.frozen(kw_only=True)
class Rating(Windows):
    """Windows over each user's rated items; each is the item's token, or its words, and then its rating: the label.

    Attributes:
        window: How many items the model sees at most, the one to be rated among them.
    """

    window: int = attrs.field(default=25, validator=attrs.validators.ge(1))

    @property
    def longest(self) -> int:
        """How many tokens an example has at most, where each item is one."""
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


def _examples(
    sequences: Sequences, catalogue: Catalogue, starts: Positions, stops: Positions, supervised: Positions
) -> Examples:
    """Spans of interactions as spans of tokens; labels from the rating of each one's first supervised interaction on."""
    told = RatedHistories.of(sequences, catalogue)
    answers = np.zeros(len(told.tokens), dtype=bool)
    answers[told.offsets[1:] - 1] = True
    return Examples(
        tokens=told.tokens,
        starts=told.offsets[starts],
        stops=told.offsets[stops],
        supervised=told.offsets[supervised + 1] - 1,
        answers=answers,
        opening=told.opening,
    )
