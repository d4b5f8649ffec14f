"""Ranks and metrics against loops, scipy and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import ndcg_score

from shortstack.contracts.headlines import HEADLINES
from shortstack.evaluation.metrics import metric_values, mid_ranks
from shortstack.models.malloc import MAPPED_FROM
from shortstack.models.top_scores import rows_at_once

# Few distinct scores, so that ties are the rule.
tied_scores = st.lists(st.integers(-2, 2), min_size=1, max_size=12)


@given(tied_scores, st.data())
def test_mid_rank_is_the_average_rank_of_scipy(scores, data):
    """``1 + #greater + #equal/2`` is the average of the places that tied items share."""
    target = data.draw(st.integers(0, len(scores) - 1))
    table = torch.tensor([scores], dtype=torch.float32)

    expected = rankdata([-score for score in scores], method="average")[target]

    assert expected == mid_ranks(table, table[:, target]).item()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(1, 25))
def test_metrics_are_those_of_a_plain_loop(doubled, cutoff):
    """HR, NDCG and MRR of half-integer ranks, case by case."""
    ranks = [(value + 1) / 2 for value in doubled]

    values = metric_values(np.array(ranks), (cutoff,))

    for case, rank in enumerate(ranks):
        inside = rank <= cutoff
        assert (1.0 if inside else 0.0) == values[f"hr@{cutoff}"][case]
        assert (1 / math.log2(rank + 1) if inside else 0.0) == pytest.approx(values[f"ndcg@{cutoff}"][case], rel=1e-12)
        assert (1 / rank if inside else 0.0) == pytest.approx(values[f"mrr@{cutoff}"][case], rel=1e-12)


def test_ndcg_is_that_of_scikit_learn():
    """Without ties, NDCG@k with one right answer is scikit-learn's."""
    generator = np.random.default_rng(0)
    scores = generator.permuted(np.tile(np.arange(30.0), (50, 1)), axis=1)
    targets = generator.integers(30, size=50)
    table = torch.from_numpy(scores)
    ranks = mid_ranks(table, table[torch.arange(50), torch.from_numpy(targets)]).numpy()

    expected = ndcg_score(np.eye(30)[targets], scores, k=10)

    assert expected == pytest.approx(metric_values(ranks, (10,))["ndcg@10"].mean(), rel=1e-12)


def test_counting_takes_no_more_memory_than_the_scores():
    """Of a million items each larger block would be returned to the system and cleared again."""
    scores = torch.zeros(8, 10_000)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        mid_ranks(scores, scores[:, 0])

    assert 80_000 <= max(event.self_cpu_memory_usage for event in profile.events()) <= scores.nbytes


def test_as_many_rows_at_once_as_keep_their_memory():
    """A row of scores more would be in a block that the system takes back, for any catalogue up to eight million items."""
    for items in (100_000, 1 << 20, 1_000_000, 8_000_000):
        assert rows_at_once(items, 256) * items * 4 < MAPPED_FROM


def test_ruled_out_items_do_not_count():
    """Items at −∞ stand neither before the target nor level with it."""
    scores = torch.tensor([[5.0, -torch.inf, 1.0, -torch.inf, 1.0]])

    assert mid_ranks(scores, torch.tensor([1.0])).tolist() == [2.5]


def test_the_headlines_are_the_metrics_at_ten():
    """Reports and model selection rest on these names."""
    assert HEADLINES == ("hr@10", "ndcg@10", "mrr@10")
