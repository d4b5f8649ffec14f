"""One metric of two models, paired over users and runs: difference, ratio, effect size, and how much is kept."""

from collections.abc import Sequence

import attrs
import numpy as np

from shortstack.evaluation.comparisons import Estimate
from shortstack.evaluation.statistics.crossed import Estimated, estimated
from shortstack.evaluation.statistics.samples import Sample, Totals


@attrs.frozen(kw_only=True)
class Paired:
    """A comparison; each estimate is (value, low, high), 95 %, over users and seeds, None where it is undefined.

    Attributes:
        runs: Number of pairs of runs.
        users: Number of users that both models have, all runs together.
        test_users: Number of users that either has.
        first: The metric of the first model, the mean over runs.
        second: That of the second.
        difference: The first minus the second.
        ratio: The first over the second; None if the second is not above 0. Linearised, so that with few users its interval may
            leave 1 out where p is above 5 %; tests are of differences, which need no approximation.
        p: Two-sided p-value of no difference.
        effect_size: Cohen's d_z: the mean of the users' differences, over their standard deviation. Source: Cohen, Statistical
            Power Analysis for the Behavioral Sciences (1988), section 2.3.5.
        p_at_least: One-sided p-value of the hypothesis that the first is at most ``keeps`` times the second: small where the
            first keeps at least that share. The test of non-inferiority.
        p_at_most: The same with both exchanged: small where the second keeps at least that share of the first. The larger of
            both is the p-value of equivalence, two one-sided tests (TOST). Source: Schuirmann, A comparison of the two one-sided
            tests procedure, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
    """

    runs: int
    users: int
    test_users: int
    first: Estimate | None
    second: Estimate | None
    difference: Estimate | None
    ratio: Estimate | None
    p: float | None
    effect_size: float | None
    p_at_least: float | None
    p_at_most: float | None


def paired(firsts: Sequence[Totals], seconds: Sequence[Totals], *, metric: str = "", keeps: float = 0.98) -> Paired:
    """Compare two models over the users that both have, pair by pair of runs.

    Args:
        firsts: Totals of the first model in each run.
        seconds: Those of the second, in the same order.
        metric: The metric; see ``Sample.of``.
        keeps: Share of the second's metric that the first may fall to.
    """
    shared = [np.intersect1d(a.keys, b.keys, assume_unique=True) for a, b in zip(firsts, seconds, strict=True)]
    first, second = (
        Sample.of([each.at(keys) for each, keys in zip(totals, shared, strict=True)], metric)
        for totals in (firsts, seconds)
    )
    difference, positive = _contrast(first, second, 1.0), bool(second.means.mean() > 0)
    return Paired(
        runs=len(shared),
        users=len(first.by_user),
        test_users=len(np.unique(np.concatenate([each.keys for each in (*firsts, *seconds)]))),
        first=_interval(_contrast(first, second, 0.0)),
        second=_interval(_contrast(second, first, 0.0)),
        difference=_interval(difference),
        ratio=_interval(_ratio(first, second)) if positive else None,
        p=None if difference is None else difference.p,
        effect_size=_effect_size(first, second),
        p_at_least=_p_above(_contrast(first, second, keeps)) if positive else None,
        p_at_most=_p_above(_contrast(second, first, keeps)) if positive else None,
    )


def _contrast(first: Sample, second: Sample, share: float) -> Estimated | None:
    """Estimate the first minus a share of the second."""
    influences = first.influences - share * second.influences
    return estimated(first.means - share * second.means, influences, first.users)


def _ratio(first: Sample, second: Sample) -> Estimated | None:
    """Estimate the first over the second, linearised (the delta method)."""
    whole = second.means.mean()
    ratio = first.means.mean() / whole
    influences = (first.influences - ratio * second.influences) / whole
    return estimated(ratio + (first.means - ratio * second.means) / whole, influences, first.users)


def _effect_size(first: Sample, second: Sample) -> float | None:
    differences = np.nanmean(first.by_user - second.by_user, axis=1)
    spread = differences.std(ddof=1) if len(differences) > 1 else 0.0
    return float(differences.mean() / spread) if spread else None


def _interval(estimate: Estimated | None) -> Estimate | None:
    return None if estimate is None else estimate.interval()


def _p_above(estimate: Estimated | None) -> float | None:
    return None if estimate is None else estimate.p_above
