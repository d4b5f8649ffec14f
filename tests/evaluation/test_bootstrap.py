"""Bootstrap intervals against scipy, and the laws they rest on."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from shortstack.evaluation.bootstrap import interval, resampled_means


def test_intervals_are_those_of_scipy():
    """With one case a user the interval is scipy's percentile interval, up to the draws."""
    values = np.random.default_rng(3).exponential(size=80)
    means = resampled_means(values[:, None], np.arange(80), 20_000, seed=0)

    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1))

    # The ends have a standard error near 0.002 with 20,000 draws of a mean whose deviation is 0.11.
    assert tuple(expected.confidence_interval) == pytest.approx(interval(means[:, 0]), abs=0.01)


def test_cases_of_a_user_are_drawn_together():
    """Two users with a thousand equal cases each: a mean is one of three values, not a thousand."""
    users = np.repeat([0, 1], 1000)
    means = resampled_means(users[:, None].astype(float), users, 500, seed=0)

    assert {0.0, 0.5, 1.0} == set(np.unique(means))


def test_means_are_those_of_a_loop_over_drawn_users():
    """Users with unlike numbers of cases weigh by their cases, as in a table of the drawn users' rows."""
    generator = np.random.default_rng(5)
    users = generator.integers(10, size=40)
    values = generator.normal(size=40)
    means = resampled_means(values[:, None], users, 3, seed=11)

    distinct = np.unique(users)
    draws = np.random.default_rng(11).integers(len(distinct), size=(3, len(distinct)))
    expected = [np.concatenate([values[users == distinct[u]] for u in row]).mean() for row in draws]

    assert expected == pytest.approx(means[:, 0], rel=1e-12)


def test_columns_and_calls_share_their_draws():
    """Comparisons are paired: a column alone gives the resamples that it gives beside others."""
    values = np.random.default_rng(0).normal(size=(30, 2))
    users = np.arange(30)

    together = resampled_means(values, users, 200, seed=4)

    np.testing.assert_allclose(resampled_means(values[:, 1:], users, 200, seed=4)[:, 0], together[:, 1], rtol=1e-12)
    assert not np.array_equal(together, resampled_means(values, users, 200, seed=5))


def test_cases_outside_a_slice_do_not_count():
    """NaN leaves a case out; a resample without any case has no mean, and does not reach the interval."""
    means = resampled_means(np.array([[2.0], [np.nan]]), np.array([0, 1]), 300, seed=0)

    assert np.isnan(means).any()
    assert interval(means[:, 0]) == (2.0, 2.0)


def test_no_value_has_no_interval():
    """A column without any case has no interval rather than a NaN."""
    assert interval(np.full(5, np.nan)) is None
