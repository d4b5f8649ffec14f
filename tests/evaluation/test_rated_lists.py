"""Users' own items in order of what was predicted: by scikit-learn, and by going through all orders."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from shortstack.evaluation.calibration_curve import calibration_curve
from shortstack.evaluation.rated_lists import rated_lists

RATINGS = st.sampled_from([1.0, 2.0, 3.5, 5.0])
LISTS = st.lists(st.tuples(RATINGS, st.sampled_from([0.1, 0.2, 0.3])), min_size=2, max_size=6)


@given(LISTS.filter(lambda pairs: len({gain for gain, _ in pairs}) > 1))
def test_one_user(pairs):
    """NDCG is scikit-learn's, ties included; MRR is the mean over all orders that the predictions allow."""
    gains, predicted = np.array(pairs).T
    metrics = rated_lists(predicted, gains, np.zeros(len(gains), dtype=np.int64))
    for k in (5, 10):
        assert metrics[f"ndcg@{k}"][0] == pytest.approx(ndcg_score(gains[None], predicted[None], k=k))
    orders = [order for order in permutations(range(len(gains))) if (np.diff(predicted[list(order)]) <= 0).all()]
    ranks = [min(place for place, case in enumerate(order) if gains[case] == gains.max()) for order in orders]
    assert metrics["mrr"][0] == pytest.approx(np.mean([1 / (rank + 1) for rank in ranks]))
    assert all(np.isnan(values[1:]).all() for values in metrics.values())


def test_who_counts():
    """Users with one item, or with equal ratings, do not; each value stands at its user's first case."""
    users = np.array([4, 2, 4, 3, 2, 3])
    gains = np.array([5.0, 1.0, 1.0, 2.0, 4.0, 2.0])
    metrics = rated_lists(gains, gains, users)
    assert np.flatnonzero(~np.isnan(metrics["mrr"])).tolist() == [0, 1]
    assert metrics["ndcg@5"][[0, 1]].tolist() == [1.0, 1.0]
    assert rated_lists(gains[3:4], gains[3:4], users[3:4]) == {}
    assert rated_lists(np.array([]), np.array([]), np.array([], dtype=np.int64)) == {}


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_calibration(pairs):
    """All cases are in some bin; the error is at most 1, and 0 where every bin is as right as it says."""
    confidences, right = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    curve = calibration_curve(confidences, right)
    assert sum(bin_.cases for bin_ in curve.bins) == len(pairs)
    assert sum(bin_.accuracy * bin_.cases for bin_ in curve.bins) == pytest.approx(right.sum())
    assert 0 <= curve.error <= 1
    assert calibration_curve(np.array([1.0, 1.0]), np.array([True, True])).error == 0
