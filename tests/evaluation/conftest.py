"""Small histories and rankers whose answers can be worked out by hand."""

import attrs
import numpy as np
import pytest
import torch

from shortstack.data.sequences import Sequences


@attrs.frozen(eq=False)
class TableRanker:
    """Scores written down beforehand: one row for every length of history, from 0."""

    table: torch.Tensor
    scores_are_logits: bool = False

    def scores(self, histories):
        """Return the row of each history's length."""
        return self.table[[len(history) for history in histories]]


@pytest.fixture
def table_ranker():
    """The class of rankers that look their scores up by the length of the history."""
    return TableRanker


@pytest.fixture
def leave_last():
    """Build sequences from lists of items, each user's last item for test and the one before for validation."""

    def build(histories, catalogue_size):
        splits = [[0] * (len(h) - 2) + [1, 2][-len(h) :] if len(h) > 1 else [2] * len(h) for h in histories]
        return Sequences(
            items=np.array([item for history in histories for item in history], dtype=np.int64),
            offsets=np.cumsum([0, *map(len, histories)], dtype=np.int64),
            splits=np.array([code for split in splits for code in split], dtype=np.int8),
            catalogue_size=catalogue_size,
        )

    return build


@pytest.fixture
def random_sequences(leave_last):
    """60 users with 2 to 14 of 40 items."""
    generator = np.random.default_rng(7)
    histories = [generator.choice(40, size=generator.integers(2, 15), replace=False).tolist() for _ in range(60)]
    return leave_last(histories, 40)
