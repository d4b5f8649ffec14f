"""Input of a model that rates items: items and ratings as one flat array of tokens."""

import attrs
import numpy as np
from numpy.typing import NDArray

from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences

Positions = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class RatedHistories:
    """All histories as tokens: each item, followed by its rating.

    Attributes:
        tokens: int64: user after user.
        offsets: int64 ``(interactions + 1,)``: interaction ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``, its rating the
            last of them.
        opening: Tokens before every history, or part of one.
    """

    tokens: Positions
    offsets: Positions
    opening: tuple[int, ...]

    @classmethod
    def of(cls, sequences: Sequences, catalogue: Catalogue) -> "RatedHistories":
        """Return the histories, with the catalogue's tokens for items and ratings.

        Raises:
            ConfigurationError: The sequences have no ratings.
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
        """Return the tokens of the history from ``start`` to ``seen``, then of the item in ``row``, unrated."""
        history = self.tokens[self.offsets[start] : self.offsets[seen]]
        item = self.tokens[self.offsets[row] : self.offsets[row + 1] - 1]
        return [*self.opening, *history.tolist(), *item.tolist()]

    def question_lengths(self, starts: Positions, seen: Positions, rows: Positions) -> Positions:
        """Return the number of tokens of each ``question``, int64."""
        history, item = self.offsets[seen] - self.offsets[starts], self.offsets[rows + 1] - 1 - self.offsets[rows]
        lengths: Positions = len(self.opening) + history + item
        return lengths
