"""The highest scores of a row, in the order of the scores and, where they tie, of the places."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortstack.models.top_scores import top_scores


def expected(scores, count):
    """Return the scores and places of a stable sort of the whole row."""
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:count]
    return [scores[place] for place in order], order


@given(kinds=st.integers(1, 40), items=st.integers(1, 4_000), count=st.integers(1, 30), seed=st.integers(0, 2**30))
@settings(max_examples=60, deadline=None)
def test_the_same_as_a_sort_of_everything(kinds, items, count, seed):
    """Rows of few and of many chunks, full of ties, the last place among them."""
    scores = torch.randint(kinds, (items,), generator=torch.Generator().manual_seed(seed)).float()
    values, places = top_scores(scores, count)

    assert expected(scores.tolist(), count) == (values.tolist(), places.tolist())


@pytest.mark.parametrize("place", [0, 511, 512, 99_999])
def test_one_high_score_among_equal_ones(place):
    """All others tie: the first of them follow, wherever the high one is."""
    scores = torch.zeros(100_000)
    scores[place] = 1.0
    others = [other for other in range(4) if other != place][:3]

    assert [place, *others] == top_scores(scores, 4)[1].tolist()


def test_excluded_items_come_last():
    """Minus infinity is a score like others."""
    scores = torch.full((2_000,), -torch.inf)
    scores[[7, 1_500]] = torch.tensor([1.0, 2.0])

    assert [1_500, 7, 0] == top_scores(scores, 3)[1].tolist()
