"""Comparisons of two models against SciPy and statsmodels, and the false alarms of their tests."""

import attrs
import numpy as np
import pytest
from evaluation.statistics.synthetic import models, totals
from scipy.stats import ttest_rel
from statsmodels.stats.weightstats import ttost_paired

from shortstack.evaluation.statistics.paired import paired
from shortstack.evaluation.statistics.samples import Totals


@pytest.fixture(scope="module")
def one():
    """Values of two models of one run."""
    first, second = models(np.random.default_rng(0), users=80, seeds=1, of_user=0.2, rest=0.1, lost=0.02)
    return first, second


def test_a_difference_is_scipys(one):
    """Of one run: value, interval and p-value of the paired t-test."""
    first, second = one
    expected = ttest_rel(first[:, 0], second[:, 0])
    result = paired(totals(first), totals(second))

    assert result.difference[0] == pytest.approx((first - second).mean())
    assert result.difference[1:] == pytest.approx(expected.confidence_interval(0.95))
    assert result.p == pytest.approx(expected.pvalue)
    assert (result.runs, result.users, result.test_users) == (1, 80, 80)


def test_keeping_a_share_is_a_one_sided_test(one):
    """Of the first model against that share of the second, and the other way round."""
    first, second = one[0][:, 0], one[1][:, 0]
    result = paired(totals(one[0]), totals(one[1]), keeps=0.9)

    assert result.p_at_least == pytest.approx(ttest_rel(first, 0.9 * second, alternative="greater").pvalue)
    assert result.p_at_most == pytest.approx(ttest_rel(second, 0.9 * first, alternative="greater").pvalue)


def test_equivalence_is_that_of_statsmodels(one):
    """Where the second model has 1 in every case, margins of the ratio are margins of the difference."""
    first = 1 + one[0] - one[1]
    second = np.ones_like(first)
    expected, below, above = ttost_paired(first[:, 0], second[:, 0], -0.05, 1 / 0.95 - 1)
    result = paired(totals(first), totals(second), keeps=0.95)

    assert (result.p_at_least, result.p_at_most) == pytest.approx((below[1], above[1]))
    assert max(result.p_at_least, result.p_at_most) == pytest.approx(expected)


def test_a_ratio(one):
    """Its interval is near that of a bootstrap of users, whose ratios are a little skewed."""
    first, second = one[0][:, 0], one[1][:, 0]
    generator = np.random.default_rng(1)
    drawn = generator.integers(80, size=(4000, 80))
    ratios = first[drawn].mean(axis=1) / second[drawn].mean(axis=1)
    result = paired(totals(one[0]), totals(one[1]))

    assert result.ratio[0] == pytest.approx(first.mean() / second.mean())
    assert result.ratio[1:] == pytest.approx(np.quantile(ratios, [0.025, 0.975]), abs=0.015)


def test_the_effect_size(one):
    """Cohen's d_z: the t statistic over the root of the number of users."""
    first, second = one
    expected = ttest_rel(first[:, 0], second[:, 0]).statistic / 80**0.5

    assert paired(totals(first), totals(second)).effect_size == pytest.approx(expected)


def test_both_models_exchanged():
    """The difference turns its sign, p stays, and the two one-sided tests change places."""
    first, second = models(np.random.default_rng(2), users=50, seeds=3)
    there, back = paired(totals(first), totals(second)), paired(totals(second), totals(first))

    assert there.difference == pytest.approx([-back.difference[place] for place in (0, 2, 1)])
    assert there.p == pytest.approx(back.p)
    assert (there.p_at_least, there.p_at_most) == pytest.approx((back.p_at_most, back.p_at_least))
    assert (there.first, there.second) == (back.second, back.first)


def test_only_shared_users_are_compared():
    """Users of one model alone change nothing but the number of test users."""
    first, second = models(np.random.default_rng(3), users=40, seeds=2)
    more = [
        attrs.evolve(
            each,
            keys=np.append(each.keys, np.uint64(99)),
            sums=np.append(each.sums, 7.0),
            counts=np.append(each.counts, 1.0),
        )
        for each in totals(first)
    ]
    alone, beside = paired(totals(first), totals(second)), paired(more, totals(second))

    assert beside == attrs.evolve(alone, test_users=41)


def test_a_reference_of_nothing_has_no_ratio():
    """Nor is there a share of it to keep; the difference stays."""
    values = np.random.default_rng(4).random((20, 2))
    result = paired(totals(values), totals(np.zeros_like(values)))

    assert (result.ratio, result.p_at_least, result.p_at_most) == (None, None, None)
    assert result.difference[0] == pytest.approx(values.mean())


def test_a_single_user_gives_no_interval():
    """All that needs one is undefined."""
    one = [Totals.of(np.zeros(3, np.uint64), np.array([0.0, 1.0, 1.0]))]
    result = paired(one, one)

    assert (result.difference, result.p, result.effect_size, result.p_at_least) == (None,) * 4
    assert result.users == 1


def test_roots_of_means():
    """Of squared errors the ratio is one of roots."""
    generator = np.random.default_rng(5)
    squares = generator.exponential(size=(200, 3))
    result = paired(totals(4 * squares), totals(squares), metric="rmse")

    assert result.ratio == pytest.approx((2, 2, 2))
    assert result.second[0] == pytest.approx(np.sqrt(squares.mean(axis=0)).mean())


@pytest.mark.full
def test_false_alarms_of_keeping():
    """Of 1,000 models that keep exactly 90 %, at most 5 % pass for keeping more, but for chance; of equal ones nearly all do."""
    some = {"users": 60, "seeds": 3, "of_user": 0.1, "of_seed": 0.02, "rest": 0.1, "studies": 1000}
    alarms, hits = (
        np.mean([paired(totals(a), totals(b), keeps=0.9).p_at_least <= 0.05 for a, b in zip(*drawn, strict=True)])
        for drawn in (models(np.random.default_rng(9), lost=lost, **some) for lost in (0.1, 0.0))
    )

    assert alarms <= 0.05 + 2 * 0.007  # the standard error of a share of 5 %
    assert hits > 0.9
