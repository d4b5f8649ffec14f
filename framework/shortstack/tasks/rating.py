"""Rating prediction: a history is items, each followed by its rating; the ratings of the data's scale are the candidates."""

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
        window: Largest number of items that the model sees, the one to rate included.
    """

    window: int = attrs.field(default=25, validator=attrs.validators.ge(1))

    @property
    def longest(self) -> int:
        """Largest number of tokens of an example, where each item is one token."""
        return 2 * self.window

    @property
    def reads(self) -> "Reads":
        """Ratings: the items that users chose, and their ratings."""
        return "ratings"

    def training_examples(self, sequences: Sequences, catalogue: Catalogue) -> Examples:
        """Return windows of every user's training items, balanced over users; every rating is supervised.

        Raises:
            EmptyDataError: No user has a training item.
        """
        starts, stops = self.cut(*training_spans(sequences, least=1), self.window)
        return _examples(sequences, catalogue, starts, stops, starts)

    def calibration_examples(
        self, sequences: Sequences, catalogue: Catalogue, *, count: int = 256, seed: int = 0
    ) -> Examples:
        """Return the most recent training window of a seeded sample of users; its last rating is the only label.

        Raises:
            EmptyDataError: No user has a training item.
        """
        starts, stops = drawn(*training_spans(sequences, least=1), count, seed)
        return _examples(sequences, catalogue, np.maximum(starts, stops - self.window), stops, stops - 1)

    def candidates(self, catalogue: Catalogue) -> "Tensor":
        """Return the token of each rating, int64 ``(options,)``, from the lowest to the highest.

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
    """Make examples of spans of interactions; labels start at the rating of each one's first supervised interaction."""
    histories = RatedHistories.of(sequences, catalogue)
    answers = np.zeros(len(histories.tokens), dtype=bool)
    # the last token of each interaction is its rating
    answers[histories.offsets[1:] - 1] = True
    return Examples(
        tokens=histories.tokens,
        starts=histories.offsets[starts],
        stops=histories.offsets[stops],
        supervised=histories.offsets[supervised + 1] - 1,
        answers=answers,
        opening=histories.opening,
    )
