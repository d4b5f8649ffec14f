"""Correlations and overlaps, by hand."""

import numpy as np
import pytest

from shortstack.audit.agreement import CORRELATIONS, best_first, kendall, overlaps, spearman, with_oracle

FOUR = np.array([4.0, 3.0, 2.0, 1.0])


def test_correlations():
    """One swap of neighbours among four: ``1 − 6·2/(4·15)``, and one discordant pair of six."""
    swapped = np.array([4.0, 3.0, 1.0, 2.0])

    assert spearman(FOUR, FOUR) == pytest.approx(1)
    assert spearman(FOUR, -FOUR) == pytest.approx(-1)
    assert spearman(FOUR, swapped) == pytest.approx(0.8)
    assert kendall(FOUR, swapped) == pytest.approx((5 - 1) / 6)


def test_scores_that_do_not_differ_have_no_correlation():
    """Constant scores have no correlation: None, neither 0 nor NaN."""
    assert spearman(FOUR, np.ones(4)) is None
    assert kendall(np.ones(4), FOUR) is None


def test_overlaps():
    """Overlap is computed at every budget; ties go to the lowest index."""
    assert overlaps(FOUR, -FOUR) == [0, 0, 2 / 3, 1]
    assert overlaps(np.ones(3), np.array([1.0, 1.0, 2.0])) == [0, 0.5, 1]
    assert best_first([1, 3, 3]) == [1, 2, 0]


def test_an_interval_is_over_the_oracles_examples():
    """The interval is over the oracle's examples: narrow if they agree, wide if they do not."""
    alike = np.tile(FOUR, (50, 1))
    mixed = np.vstack([FOUR, -FOUR] * 25) + FOUR * 0.01
    for measure in CORRELATIONS.values():
        assert with_oracle(FOUR, alike, measure, 200, 0) == pytest.approx((1, 1, 1))
        value, low, high = with_oracle(FOUR, mixed, measure, 200, 0)
        assert (value, high) == pytest.approx((1, 1))
        assert low == pytest.approx(-1)
    assert with_oracle(np.ones(4), mixed, spearman, 200, 0) is None
