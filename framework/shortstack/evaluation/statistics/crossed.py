"""An estimate over users and seeds together: both are samples, and every user meets every seed.

``value of user u in run s = mean + user u + seed s + rest``. The variance of the mean has a part of the users, which grows
smaller with more users, and a part of the seeds, which only more seeds make smaller.

Sources: Obuchowski & Rockette, Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests, Communications
in Statistics 24 (1995), whose readers are our seeds and whose patients our users; Satterthwaite, An approximate distribution of
estimates of variance components, Biometrics Bulletin 2 (1946); Hillis, A comparison of denominator degrees of freedom methods
for multiple observer ROC analysis, Statistics in Medicine 26 (2007).
"""

import attrs
import numpy as np
from scipy.special import stdtr, stdtrit

from shortstack.evaluation.bootstrap import LEVEL
from shortstack.evaluation.comparisons import Estimate
from shortstack.evaluation.statistics.samples import Values


@attrs.frozen(kw_only=True)
class Estimated:
    """An estimate with its uncertainty.

    Attributes:
        value: The estimate.
        variance: Its variance.
        freedom: Degrees of freedom of the variance.
    """

    value: float
    variance: float
    freedom: float

    def interval(self, level: float = LEVEL) -> Estimate:
        """Return the value with the bounds of its interval, by Student's t."""
        margin = float(stdtrit(self.freedom, (1 + level) / 2)) * self.variance**0.5
        return self.value, self.value - margin, self.value + margin

    @property
    def p(self) -> float:
        """Two-sided p-value of the hypothesis that the value is 0."""
        # of −|value|, as 1 minus a probability near 1 would lose the digits of a small p-value
        return min(1.0, 2 * attrs.evolve(self, value=abs(self.value)).p_above)

    @property
    def p_above(self) -> float:
        """One-sided p-value of the hypothesis that the value is 0 or less."""
        if self.variance == 0:
            return 0.5 if self.value == 0 else float(self.value < 0)
        return float(stdtr(self.freedom, -self.value / self.variance**0.5))


def estimated(values: Values, influences: Values, users: int) -> Estimated | None:
    """Estimate the mean over users and runs of a quantity, from its value in each run.

    With S runs, s² the variance between their values, and C the covariance that the users, who are the same in all runs, give the
    values of two runs (the mean of all pairs), the variance of the mean and its degrees of freedom, at least S − 1, are

        V = s² / S + max(0, C)
        V² / (((S + 1) / (S − 1))² · (s² / S)² / (S − 1) + max(0, C)² / (users − 1))

    The degrees are Satterthwaite's but for ``((S + 1) / (S − 1))²``, without which intervals of two or three seeds are too short:
    where runs lie close together by chance, s² is small, and so is its weight in the degrees. ``(S + 1) / (S − 1)`` is
    ``E[s⁴] / E[s²]²``; its square was chosen by simulation. Of 95 % intervals 93 to 97 % hold the truth then with two seeds or
    more, whatever the shares of users, seeds and the rest in the variance.

    In a single run V is the variance over users, with users − 1 degrees.

    Args:
        values: float64 ``(runs,)``.
        influences: float64 ``(users, runs)``: what each user adds to a run's value; columns add up to 0.
        users: Number of users of the run with the fewest.

    Returns:
        None where fewer than two users give no variance.
    """
    if users < 2:
        return None
    covariance, runs = influences.T @ influences * (users / (users - 1)), len(values)
    if runs == 1:
        return Estimated(value=float(values[0]), variance=float(covariance[0, 0]), freedom=users - 1)
    of_pairs = (covariance.sum() - np.trace(covariance)) / (runs * (runs - 1))
    of_seeds, of_users = float(values.var(ddof=1)) / runs, max(0.0, float(of_pairs))
    weight = ((runs + 1) / (runs - 1) * of_seeds) ** 2 / (runs - 1) + of_users**2 / (users - 1)
    variance = of_seeds + of_users
    freedom = max(runs - 1, variance**2 / weight) if weight else users - 1
    return Estimated(value=float(values.mean()), variance=variance, freedom=freedom)
