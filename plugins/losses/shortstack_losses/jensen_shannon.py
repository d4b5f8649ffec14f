"""Generalised Jensen–Shannon divergence: between forward and reverse KL, and bounded."""

import math
from functools import partial
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import LossDescriptor, LossTraits
from shortstack_losses.distributions import kl_divergence, log_distributions, log_mixture
from shortstack_losses.logit_loss import LogitLoss
from shortstack_losses.ranges import TEMPERATURE, share

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class JensenShannonSettings:
    """The settings of ``jensen-shannon``.

    Attributes:
        beta: The teacher's share in the mixture, in (0, 1): near 0 the loss is ``beta`` times the forward KL, near 1
            ``1 − beta`` times the reverse KL.
        temperature: Divisor of both models' logits; above 1, less likely candidates weigh more.
    """

    beta: float = attrs.field(default=0.5, validator=share(zero=False))
    temperature: float = attrs.field(default=1.0, validator=TEMPERATURE)


def jensen_shannon_traits(settings: JensenShannonSettings) -> LossTraits:
    """Return the promises: symmetric for equal shares; no term is above ``T²`` times the entropy of the shares."""
    beta = settings.beta
    entropy = -beta * math.log(beta) - (1.0 - beta) * math.log1p(-beta)
    return LossTraits(distribution=True, symmetric=beta == 0.5, upper=settings.temperature**2 * entropy)


DESCRIPTOR = LossDescriptor(
    name="jensen-shannon",
    summary="Generalised Jensen–Shannon divergence: between forward and reverse KL, bounded.",
    build=lambda settings: LogitLoss(
        name="jensen-shannon",
        terms=partial(generalised_jensen_shannon, beta=settings.beta, temperature=settings.temperature),
    ),
    config=JensenShannonSettings,
    reference="Agarwal et al. 2024, arXiv 2306.13649 (GKD)",
    traits=jensen_shannon_traits(JensenShannonSettings()),
    traits_of=jensen_shannon_traits,
)


def generalised_jensen_shannon(student: "Tensor", teacher: "Tensor", beta: float, temperature: float) -> "Tensor":
    """Return ``T² (β KL(p ‖ m) + (1 − β) KL(q ‖ m))`` with ``m = β p + (1 − β) q``.

    ``p = softmax(teacher/T)`` and ``q = softmax(student/T)``. Divided by ``β`` it tends to ``KL(p ‖ q)`` as β → 0, and
    divided by ``1 − β`` to ``KL(q ‖ p)`` as β → 1; undivided it tends to 0. Where the teacher gives a logit of −∞,
    ``KL(p ‖ m)`` has no term, and ``KL(q ‖ m)`` one that takes the student's probability away.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.
        beta: ``β``.
        temperature: ``T``; the factor ``T²`` keeps the size of the gradient from shrinking with it.

    Returns:
        ``(positions,)``.
    """
    log_p, log_q = log_distributions(student, teacher, temperature)
    log_m = log_mixture(log_p, log_q, beta)
    return temperature**2 * (beta * kl_divergence(log_p, log_m) + (1.0 - beta) * kl_divergence(log_q, log_m))
