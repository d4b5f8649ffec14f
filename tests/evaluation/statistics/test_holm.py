"""Holm's correction against statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from shortstack.evaluation.statistics.holm import holm

P = st.floats(0, 1)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_it_is_that_of_statsmodels(count):
    """In any order, with ties, at 0 and 1. Few examples, for theirs collects garbage at every call."""
    p_values = np.random.default_rng(count).integers(0, 5, count) / 4 * np.linspace(0.01, 1, count)
    expected = multipletests(p_values, method="holm")[1]

    np.testing.assert_allclose(holm(list(p_values)), expected, rtol=1e-12)


@given(st.lists(st.none() | P, max_size=8))
def test_what_is_undefined_does_not_count(p_values):
    """It stays undefined, and the others are corrected as if they were alone."""
    defined = [p for p in p_values if p is not None]
    adjusted = holm(p_values)

    assert [p for p in adjusted if p is not None] == holm(defined)
    assert [p is None for p in adjusted] == [p is None for p in p_values]


def test_false_alarms_of_families():
    """Of 4,000 families of six true hypotheses with one reference in common, 5 % have a false alarm, or fewer."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal((4000, 7))
    z = (values[:, 1:] - values[:, :1]) / 2**0.5
    alarms = np.mean([min(holm(list(p))) <= 0.05 for p in 2 * norm.sf(np.abs(z))])

    # a share of 5 % has a standard error of 0.34 % here; correlated tests give fewer alarms, and none would be a fault too
    assert 0.02 < alarms < 0.05 + 2 * 0.0034
    assert np.mean((2 * norm.sf(np.abs(z))).min(axis=1) <= 0.05) == pytest.approx(0.2, abs=0.05)
