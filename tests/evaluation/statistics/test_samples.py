"""Totals and influences: what each user adds, against counting one user after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.evaluation.statistics.samples import Sample, Totals

USERS = st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1) | st.just(float("nan"))), min_size=1, max_size=30)


@given(USERS)
def test_totals_are_those_of_a_loop(cases):
    """Over the cases that count, of the users who have one."""
    users, values = np.array([user for user, _ in cases], dtype=np.uint64), np.array([value for _, value in cases])
    expected = {}
    for user, value in cases:
        if not np.isnan(value):
            expected.setdefault(user, []).append(value)
    totals = Totals.of(users, values)

    assert totals.keys.tolist() == sorted(expected)
    assert totals.counts.tolist() == [len(expected[user]) for user in sorted(expected)]
    assert totals.sums == pytest.approx([sum(expected[user]) for user in sorted(expected)])


@pytest.mark.parametrize("metric", ["ndcg@10", "rmse"])
def test_influences_are_derivatives(metric):
    """Of the metric, by the weight of each user: measured by weighing a user's cases a little more."""
    generator = np.random.default_rng(1)
    users, values = generator.integers(0, 9, 40).astype(np.uint64), generator.random(40)
    sample = Sample.of([Totals.of(users, values)], metric)
    finish = np.sqrt if metric == "rmse" else np.asarray

    def weighed(user, more):
        weights = 1 + more * (users == user)
        return finish((weights * values).sum() / weights.sum())

    step = 1e-6
    expected = [(weighed(user, step) - weighed(user, -step)) / (2 * step) for user in np.unique(users)]
    assert sample.influences[:, 0] == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert sample.means == pytest.approx([float(finish(values.mean()))])
    assert sample.influences.sum() == pytest.approx(0, abs=1e-12)


def test_users_of_some_runs():
    """A user who is not in a run adds nothing to it."""
    sample = Sample.of(
        [
            Totals.of(np.array([1, 2], np.uint64), np.array([0.0, 1.0])),
            Totals.of(np.array([2, 3, 4], np.uint64), np.array([1.0, 1.0, 0.0])),
        ]
    )

    assert sample.means == pytest.approx([0.5, 2 / 3])
    np.testing.assert_array_equal(sample.by_user, [[0, np.nan], [1, 1], [np.nan, 1], [np.nan, 0]])
    assert sample.influences[:, 0] == pytest.approx([-0.25, 0.25, 0, 0])
    assert sample.users == 2
