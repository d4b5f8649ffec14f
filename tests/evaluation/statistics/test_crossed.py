"""Estimates over users and seeds: against SciPy, the mean squares of an analysis of variance, and by simulation."""

import numpy as np
import pytest
from evaluation.statistics.synthetic import models, totals
from scipy.stats import norm, t, ttest_1samp, ttest_rel

from shortstack.evaluation.bootstrap import resampled_means
from shortstack.evaluation.statistics.crossed import Estimated, estimated
from shortstack.evaluation.statistics.holm import holm
from shortstack.evaluation.statistics.samples import Sample, Totals


def of_values(values):
    """Estimate the mean of ``(users, runs)`` values, one case each."""
    sample = Sample.of(totals(values))
    return estimated(sample.means, sample.influences, sample.users)


def test_one_run_is_a_paired_t_test():
    """Over users: SciPy's p-value and interval."""
    first, second = models(np.random.default_rng(0), users=50, seeds=1)
    expected = ttest_rel(first[:, 0], second[:, 0])
    result = of_values(first - second)

    assert result.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert result.interval()[1:] == pytest.approx(expected.confidence_interval(0.95))
    assert result.p_above == pytest.approx(ttest_rel(first[:, 0], second[:, 0], alternative="greater").pvalue)


@pytest.mark.parametrize("shift", [-3.0, -1.0, 1.0, 3.0])
def test_a_small_p_value_keeps_its_digits(shift):
    """Of either sign: far below the distance from 1 to the next number, SciPy's."""
    values = shift + 0.3 * np.random.default_rng(5).standard_normal((40, 1))
    expected = ttest_1samp(values[:, 0], 0.0).pvalue

    assert 0 < expected < 1e-16
    assert of_values(values).p == pytest.approx(expected, rel=1e-9, abs=0)


def test_the_variance_over_users_is_that_of_the_bootstrap():
    """Users with unlike numbers of cases, drawn with all their cases."""
    generator = np.random.default_rng(2)
    users, values = generator.integers(0, 300, 2000), generator.exponential(size=2000)
    sample = Sample.of([Totals.of(users.astype(np.uint64), values)])
    result = estimated(sample.means, sample.influences, sample.users)
    drawn = resampled_means(values[:, None], users, 4000, seed=0)

    # a standard deviation of 4,000 draws has an error of 1.1 %
    assert result.variance**0.5 == pytest.approx(drawn.std(), rel=0.04)


def mean_squares(values):
    """Return the mean squares of users, of seeds and of the rest, as tables of an analysis of variance have them."""
    users, seeds = values.shape
    by_user, by_seed, whole = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - by_user[:, None] - by_seed + whole
    return (
        seeds * ((by_user - whole) ** 2).sum() / (users - 1),
        users * ((by_seed - whole) ** 2).sum() / (seeds - 1),
        (rest**2).sum() / ((users - 1) * (seeds - 1)),
    )


@pytest.mark.parametrize("of_seed", [0.0, 0.5])
def test_the_variance_is_that_of_mean_squares(of_seed):
    """``(MSₛ + max(0, MSᵤ − MSᵣ)) / (users · seeds)``, for a table without gaps."""
    first, second = models(np.random.default_rng(3), users=40, seeds=4, of_seed=of_seed)
    of_users, of_seeds, rest = mean_squares(first - second)
    expected = (of_seeds + max(0, of_users - rest)) / (40 * 4)

    assert of_values(first - second).variance == pytest.approx(expected)


def test_seeds_that_differ_decide_alone():
    """Where users hardly differ, it is Student's test of the seeds' means."""
    values = np.random.default_rng(4).standard_normal((1, 5)) + 1e-9 * np.random.default_rng(5).standard_normal(
        (200, 5)
    )
    expected = ttest_1samp(values.mean(axis=0), 0)
    result = of_values(values)

    assert result.freedom == pytest.approx(4)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert result.interval()[1:] == pytest.approx(expected.confidence_interval(0.95), rel=1e-6)


def test_users_of_one_run_alone():
    """Of other users in each run, seeds and users are one sample: never less variance than the runs' means have."""
    generator = np.random.default_rng(6)
    values = np.full((120, 3), np.nan)
    for run in range(3):
        values[40 * run : 40 * (run + 1), run] = generator.standard_normal(40)
    result = of_values(values)
    means = np.nanmean(values, axis=0)

    assert result.value == pytest.approx(means.mean())
    assert result.variance >= means.var(ddof=1) / 3 * (1 - 1e-9)


def test_no_variance():
    """Equal models differ by nothing, for certain; models a step apart in every case, by that step."""
    equal, apart = (of_values(np.full((10, 2), step)) for step in (0.0, 0.25))

    assert (equal.interval(), equal.p) == ((0, 0, 0), 1)
    assert (apart.interval(), apart.p, apart.p_above) == ((0.25, 0.25, 0.25), 0, 0)
    assert Estimated(value=-1.0, variance=0.0, freedom=3).p_above == 1


def test_a_single_user():
    """Gives no variance, and no estimate."""
    assert of_values(np.ones((1, 3))) is None


def covered(studies=1000, **how):
    """Return the share of studies whose 95 % interval holds the true difference, −0.1."""
    first, second = models(np.random.default_rng(7), lost=0.1, studies=studies, **how)
    hits = 0
    for values in first - second:
        means = values.mean(axis=0)
        _, low, high = estimated(means, (values - means) / len(values), len(values)).interval()
        hits += low <= -0.1 <= high
    return hits / studies


VARIANCES = [(1, 0.0, 0.5), (0.2, 0.0, 1), (1, 0.05, 0.7), (1, 0.2, 0.7), (0.5, 0.3, 0.5), (0.5, 1, 0.5), (0.1, 3, 0.1)]
"""Standard deviations of users, seeds, and the rest."""


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("of_user", "of_seed", "rest"), VARIANCES)
def test_coverage(seeds, of_user, of_seed, rest):
    """95 % intervals of 1,000 synthetic studies hold the truth in 93 to 97 % of them, whatever makes the variance."""
    assert 0.93 <= covered(seeds=seeds, users=100, of_user=of_user, of_seed=of_seed, rest=rest) <= 0.97


@pytest.mark.full
@pytest.mark.parametrize(("of_user", "of_seed", "rest"), VARIANCES)
def test_coverage_of_two_seeds(of_user, of_seed, rest):
    """The fewest that say anything of other seeds; of 4,000 studies, for it comes near to both bounds."""
    assert 0.925 <= covered(4000, seeds=2, users=100, of_user=of_user, of_seed=of_seed, rest=rest) <= 0.97


@pytest.mark.full
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("of_seed", [0.0, 0.3])
def test_coverage_of_a_ranking_metric(seeds, of_seed):
    """NDCG@10, 0 for most users and in steps for the others: of 1,000 studies of two models with unlike seeds."""
    generator = np.random.default_rng(11)
    truth = np.mean([(first - second).mean() for first, second in ranked(generator, 300, 300, of_seed, studies=20)])
    hits = 0
    for first, second in ranked(generator, 60, seeds, of_seed, studies=1000):
        _, low, high = of_values(first - second).interval()
        hits += low <= truth <= high

    assert 0.93 <= hits / 1000 <= 0.97


def ranked(generator, users, seeds, of_seed, studies):
    """Yield NDCG@10 of two models, ``(users, seeds)``, among thirty other items with random scores."""
    for _ in range(studies):
        easy = 0.8 * generator.standard_normal((users, 1))
        lost = 0.2 + of_seed * generator.standard_normal((1, seeds))
        scores = [easy - each + 0.4 * generator.standard_normal((users, seeds)) for each in (lost, 0)]
        ranks = [1 + generator.binomial(30, norm.sf(each)) for each in scores]
        yield tuple(np.where(rank <= 10, 1 / np.log2(rank + 1), 0) for rank in ranks)


def test_coverage_of_one_seed():
    """Over users, if seeds differ by nothing; else far too little, which is why the comparison says what it is over."""
    assert 0.93 <= covered(seeds=1, users=100, of_seed=0.0) <= 0.97
    assert covered(seeds=1, users=100, of_seed=0.5) < 0.6


def test_false_alarms_of_families():
    """Four settings that equal their reference, in 1,000 studies of three seeds: 5 % have a false alarm, or fewer."""
    generator = np.random.default_rng(10)
    shape = (1000, 5, 80, 3)  # the last of five settings is the reference
    values = generator.standard_normal((*shape[:3], 1)) + 0.1 * generator.standard_normal((*shape[:2], 1, 3))
    values = values + 0.5 * generator.standard_normal(shape)
    alarms = 0
    for study in values[:, :4] - values[:, 4:]:
        means = study.mean(axis=1)
        p = [estimated(m, (v - m) / 80, 80).p for v, m in zip(study, means, strict=True)]
        alarms += min(holm(p)) <= 0.05

    assert 0.01 < alarms / 1000 < 0.05 + 2 * 0.007  # its standard error


def two_level_bootstrap(values, generator, resamples=100):
    """Return the percentile interval of the mean of resampled users and seeds: the method that is not used."""
    users, seeds = values.shape
    means = [
        values[generator.integers(users, size=users)][:, generator.integers(seeds, size=seeds)].mean()
        for _ in range(resamples)
    ]
    return np.quantile(means, [0.025, 0.975])


def test_the_bootstrap_of_both_covers_too_little():
    """With three seeds, whose percentiles know no t: the reason for degrees of freedom."""
    generator = np.random.default_rng(8)
    first, second = models(generator, users=40, seeds=3, of_user=0.5, of_seed=1, rest=0.5, studies=100)
    ends = [two_level_bootstrap(values, generator) for values in first - second]

    assert np.mean([low <= 0 <= high for low, high in ends]) < 0.85


def test_the_quantiles_are_students():
    """SciPy's, also for degrees of freedom that are no whole number."""
    result = Estimated(value=1.0, variance=4.0, freedom=2.7)

    assert result.interval(0.9)[2] == pytest.approx(1 + 2 * t.ppf(0.95, 2.7))
    assert result.p == pytest.approx(2 * t.sf(0.5, 2.7))
