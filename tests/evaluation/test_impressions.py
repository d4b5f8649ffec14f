"""Impressions are ranked as MIND's own evaluation ranks them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from shortstack.config.given import Given
from shortstack.data.impressions import Impressions
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.evaluation.custom import custom_metrics
from shortstack.evaluation.impressions import ImpressionEvaluator

ITEMS = 12


class Fixed:
    """A ranker with the same scores for every history."""

    scores_are_logits = False

    def __init__(self, scores):
        self.line = torch.tensor(scores, dtype=torch.float32)

    def scores(self, histories):
        """Return one row per history."""
        return self.line.expand(len(histories), -1)


def impressions(lists, split=2):
    """Return impressions of (items shown, whether clicked)."""
    shown = [item for items, _ in lists for item in items]
    return Impressions(
        users=np.arange(len(lists)),
        splits=np.full(len(lists), split, dtype=np.int8),
        read=np.zeros(0, dtype=np.int64),
        read_offsets=np.zeros(len(lists) + 1, dtype=np.int64),
        shown=np.array(shown, dtype=np.int64),
        shown_offsets=np.cumsum([0, *(len(items) for items, _ in lists)]),
        clicked=np.array([click for _, clicks in lists for click in clicks], dtype=bool),
    )


def mrr_score(labels, scores):
    """Return the MRR as in MIND's evaluate.py."""
    taken = np.take(labels, np.argsort(scores)[::-1])
    return np.sum(taken / (np.arange(len(taken)) + 1)) / np.sum(taken)


def dcg_score(labels, scores, k):
    """Return the DCG as in MIND's evaluate.py."""
    taken = np.take(labels, np.argsort(scores)[::-1][:k])
    return np.sum((2**taken - 1) / np.log2(np.arange(len(taken)) + 2))


ROWS = st.integers(2, ITEMS).flatmap(
    lambda size: st.tuples(
        st.permutations(range(ITEMS)).map(lambda order: order[:size]),
        st.lists(st.booleans(), min_size=size, max_size=size),
    ).filter(lambda row: 0 < sum(row[1]) < len(row[1]))
)


@given(st.lists(ROWS, min_size=1, max_size=5), st.permutations(range(ITEMS)))
def test_metrics_are_those_of_mind(lists, scores):
    """AUC by scikit-learn, MRR and NDCG by the published program, on scores without ties."""
    evaluation = ImpressionEvaluator(resamples=10).evaluate(
        Fixed([float(score) for score in scores]), impressions(lists)
    )

    for row, (items, clicks) in enumerate(lists):
        labels, line = np.array(clicks, dtype=int), np.array([scores[item] for item in items], dtype=float)
        assert evaluation.values["auc"][row] == pytest.approx(roc_auc_score(labels, line))
        assert evaluation.values["mrr"][row] == pytest.approx(mrr_score(labels, line))
        for k in (5, 10):
            expected = dcg_score(labels, line, k) / dcg_score(labels, labels, k)
            assert evaluation.values[f"ndcg@{k}"][row] == pytest.approx(expected)
    assert evaluation.metrics["auc"] == pytest.approx(np.mean(evaluation.values["auc"]))


def test_a_ranker_that_knows_nothing():
    """All ties have the middle rank: AUC is a half, whatever the order of the list."""
    for items in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        evaluation = ImpressionEvaluator(resamples=10).evaluate(
            Fixed([0.0] * ITEMS), impressions([(items, [1, 0, 0, 0, 0])])
        )
        assert evaluation.metrics == pytest.approx({"auc": 0.5, "mrr": 1 / 3, "ndcg@5": 0.5, "ndcg@10": 0.5})


def test_impressions_without_a_choice_count_for_nothing():
    """Impressions with only clicks, or none, are excluded from the metrics."""
    lists = [([0, 1], [True, True]), ([0, 1], [False, False]), ([0, 1], [False, True])]
    evaluation = ImpressionEvaluator(resamples=10).evaluate(Fixed([1.0, 0.0] * 6), impressions(lists))

    assert np.isnan(evaluation.values["auc"]).tolist() == [True, True, False]
    assert evaluation.metrics["auc"] == 0.0


def test_scores_that_cannot_be_ranked():
    """NaN scores and a catalogue that is too small are refused."""
    rows = impressions([([0, 1], [True, False])])
    with pytest.raises(NonFiniteError, match="Fixed gave a NaN or infinite score"):
        ImpressionEvaluator().evaluate(Fixed([float("nan")] * ITEMS), rows)
    with pytest.raises(ConfigurationError, match="Fixed scores 1 items, but item 1 was shown"):
        ImpressionEvaluator().evaluate(Fixed([1.0]), rows)


def lead(scores, clicked):
    """Mean score of the clicked beyond that of the others; undefined where more than half were clicked."""
    return scores[clicked].mean() - scores[~clicked].mean() if clicked.mean() <= 0.5 else np.nan


def each_item(scores, clicked):
    """A number an item shown, which is none an impression."""
    return scores


def test_a_metric_of_ones_own_is_computed_list_by_list():
    """From the scores of what was shown alone; lists for which it is NaN do not count."""
    lists = [([0, 1, 2], [True, False, False]), ([5, 3], [False, True]), ([1, 2, 4], [True, True, False])]
    shown = impressions(lists)
    scores = [float(item * item) for item in range(ITEMS)]
    evaluator = ImpressionEvaluator(resamples=1, metrics=custom_metrics([Given.of(lead)]))
    evaluation = evaluator.evaluate(Fixed(scores), shown)

    np.testing.assert_equal(evaluation.values["lead"], [0 - 2.5, 9 - 25, np.nan])
    assert evaluation.metrics["lead"] == (-2.5 - 16) / 2


def test_a_metric_of_another_shape_is_refused():
    """One number an impression."""
    evaluator = ImpressionEvaluator(resamples=1, metrics=custom_metrics([Given.of(each_item)]))

    with pytest.raises(
        ConfigurationError, match=r"^the metric 'each-item' gives one number an impression, got \(2,\)$"
    ):
        evaluator.evaluate(Fixed([0.0] * ITEMS), impressions([([0, 1], [True, False])]))
