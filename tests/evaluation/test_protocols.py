"""Candidates that a target is ranked against."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortstack.data.sequences import Cases
from shortstack.errors import ConfigurationError
from shortstack.evaluation.protocols import FullCatalogue, SampledNegatives, without_seen


def one_case(history, target):
    """Return a single user's case."""
    items = np.array([*history, target], dtype=np.int64)
    return Cases(
        users=np.array([0]),
        targets=items[-1:],
        starts=np.array([0]),
        stops=np.array([len(history)]),
        items=items,
    )


@given(st.data())
def test_full_ranks_are_those_of_a_loop(data):
    """Seen items are left out, or not; ties share their places."""
    scores = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=10))
    items = st.integers(0, len(scores) - 1)
    history, target = data.draw(st.lists(items, max_size=6)), data.draw(items)
    for seen in ("exclude", "include") if target not in history else ("include",):
        others = [i for i in range(len(scores)) if i != target and not (seen == "exclude" and i in history)]
        greater = sum(scores[i] > scores[target] for i in others)
        equal = sum(scores[i] == scores[target] for i in others)
        table = torch.tensor([scores], dtype=torch.float32)

        ranks = FullCatalogue(seen=seen).ranks(table, one_case(history, target), np.array([0]))

        assert [1 + greater + equal / 2] == ranks.tolist()
        assert [scores] == table.tolist(), "a ranker's scores are its own"


def test_a_seen_item_without_a_column_is_refused():
    """It would else be another case's item that is left out."""
    with pytest.raises(
        ConfigurationError, match="scores have 3 columns, and a history holds item 3; give one column for"
    ):
        without_seen(torch.zeros(1, 3), one_case([3, 1], 0), np.array([0]))


def test_negatives_follow_from_the_seed_and_the_case_alone():
    """A case has the same negatives at every evaluation, whatever the other cases; others for another seed."""
    case = one_case([1, 2, 3], 4)

    first = SampledNegatives(seed=0).draw(case, 0, 5000)

    np.testing.assert_array_equal(first, SampledNegatives(seed=0).draw(case, 0, 5000))
    assert set(first) != set(SampledNegatives(seed=1).draw(case, 0, 5000))


def test_negatives_are_unseen_and_distinct():
    """999 distinct items, neither seen nor the target, after the target itself."""
    history = list(range(0, 1100, 2))

    drawn = SampledNegatives(seed=0).draw(one_case(history, 1), 0, 2200)

    assert drawn[0] == 1
    assert len(set(drawn.tolist())) == 1000
    assert not set(history) & set(drawn[1:].tolist())


def test_seen_items_may_be_negatives_too():
    """All seen items are candidates beside 999 unseen ones; drawn like others, a repeat would be the only seen one."""
    history = [*range(0, 60, 2), 0]

    drawn = SampledNegatives(seed=0, seen="include").draw(one_case(history, 4), 0, 5000)

    assert drawn[0] == 4
    assert len(set(drawn.tolist())) == len(drawn) == 999 + 30
    assert set(history) < set(drawn.tolist())


def test_a_small_catalogue_gives_what_it_has():
    """With 20 items, 3 of them seen, a target meets the 16 others, as in the full protocol."""
    case = one_case([1, 2, 3], 4)
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 20)))

    assert len(SampledNegatives(seed=0).draw(case, 0, 20)) == 17
    full, sampled = (p.ranks(scores, case, np.array([0])) for p in (FullCatalogue(), SampledNegatives(seed=0)))
    assert full.tolist() == sampled.tolist()


def test_negatives_are_drawn_uniformly():
    """Over many cases each of 50 items is drawn equally often: 10 of 49, within five standard errors."""
    protocol = SampledNegatives(seed=0, negatives=10)
    counts = np.zeros(50)
    for user in range(2000):
        case = one_case([], 0)
        drawn = protocol.draw(Cases(**{**_fields(case), "users": np.array([user])}), 0, 50)
        counts[drawn[1:]] += 1

    share = 10 / 49
    assert counts[0] == 0
    assert counts[1:] / 2000 == pytest.approx(share, abs=5 * (share * (1 - share) / 2000) ** 0.5)


def _fields(case):
    return {name: getattr(case, name) for name in ("users", "targets", "starts", "stops", "items")}
