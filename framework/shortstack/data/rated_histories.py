"""What a model that rates items reads: items and ratings as one long row of tokens."""

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences

Positions = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class RatedHistories:
    """All histories as tokens: each item, and behind it its rating.

    Attributes:
        tokens: int64: user after user.
        offsets: int64 ``(interactions + 1,)``: interaction ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``, its rating the
            last of them.
        opening: What comes before every history, or piece of one.
    """

    tokens: Positions
    offsets: Positions
    opening: tuple[int, ...]

    @classmethod
    def of(cls, sequences: Sequences, catalogue: Catalogue) -> "RatedHistories":
        """The histories, spelt as the catalogue spells its items.

        Raises:
            ConfigurationError: There are no ratings.
        """
        ratings, spellings = sequences.rated(), [item.spelling for item in catalogue.items]
        lengths = np.array([len(spelling) for spelling in spellings], dtype=np.int64)
        spelt, places = np.concatenate(spellings).astype(np.int64), np.cumsum(lengths) - lengths
        each = lengths[sequences.items]
        offsets = np.concatenate([[0], np.cumsum(each + 1)])
        tokens = np.empty(offsets[-1], dtype=np.int64)
        rated = np.zeros(len(tokens), dtype=bool)
        rated[offsets[1:] - 1] = True
        within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        tokens[~rated] = spelt[np.repeat(places[sequences.items], each) + within]
        tokens[rated] = np.array([option.token for option in catalogue.options], dtype=np.int64)[ratings]
        return cls(tokens=tokens, offsets=offsets, opening=catalogue.opening)

    def question(self, start: int, seen: int, row: int) -> list[int]:
        """How is the item in ``row`` rated, by who did what is from ``start`` up to ``seen``? Without its rating."""
        history = self.tokens[self.offsets[start] : self.offsets[seen]]
        item = self.tokens[self.offsets[row] : self.offsets[row + 1] - 1]
        return [*self.opening, *history.tolist(), *item.tolist()]

    def question_lengths(self, starts: Positions, seen: Positions, rows: Positions) -> Positions:
        """int64: how many tokens each ``question`` has."""
        history, item = self.offsets[seen] - self.offsets[starts], self.offsets[rows + 1] - 1 - self.offsets[rows]
        lengths: Positions = len(self.opening) + history + item
        return lengths
