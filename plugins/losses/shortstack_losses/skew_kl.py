"""Skewed KL: divergence of one model's distribution from a mixture with the other's, so that it stays bounded."""

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

import attrs
from attrs import validators

from shortstack.contracts import LossDescriptor, LossTraits
from shortstack_losses.distributions import among_candidates_of, kl_divergence, log_distributions, log_mixture
from shortstack_losses.logit_loss import LogitLoss
from shortstack_losses.ranges import TEMPERATURE, share

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class SkewKLSettings:
    """The settings of ``skew-kl``.

    Attributes:
        alpha: Share of the averaged distribution in the mixture, in [0, 1): 0 gives the plain divergence, and 1 would
            compare the distribution with itself.
        direction: ``"forward"`` averages over the teacher's distribution, ``"reverse"`` over the student's.
        temperature: Divisor of both models' logits; above 1, less likely candidates weigh more.
    """

    alpha: float = attrs.field(default=0.1, validator=share(zero=True))
    direction: Literal["forward", "reverse"] = attrs.field(
        default="forward", validator=validators.in_(["forward", "reverse"])
    )
    temperature: float = attrs.field(default=1.0, validator=TEMPERATURE)


def skew_kl(settings: SkewKLSettings) -> LogitLoss:
    """Return the loss in the direction that the settings name."""
    terms = forward_skew_kl if settings.direction == "forward" else reverse_skew_kl
    return LogitLoss(name="skew-kl", terms=partial(terms, alpha=settings.alpha, temperature=settings.temperature))


def skew_kl_traits(settings: SkewKLSettings) -> LossTraits:
    """Return the promises: no ratio ``a / m`` to the mixture is above ``1/α``, so no term is above ``−T² log α``."""
    bound = -(settings.temperature**2) * math.log(settings.alpha) if settings.alpha else None
    return LossTraits(distribution=True, upper=bound)


DESCRIPTOR = LossDescriptor(
    name="skew-kl",
    summary="KL from one model's distribution to its mixture with the other's, in either direction (DistiLLM).",
    build=skew_kl,
    config=SkewKLSettings,
    reference="Ko et al. 2024, arXiv 2402.03898 (DistiLLM)",
    traits=skew_kl_traits(SkewKLSettings()),
    traits_of=skew_kl_traits,
)


def forward_skew_kl(student: "Tensor", teacher: "Tensor", alpha: float, temperature: float) -> "Tensor":
    """Return ``T² KL(p ‖ α p + (1 − α) q)``, ``p = softmax(teacher/T)`` and ``q = softmax(student/T)``.

    Candidates to which the teacher gives a logit of −∞ contribute nothing.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.
        alpha: ``α``.
        temperature: ``T``.

    Returns:
        ``(positions,)``.
    """
    log_p, log_q = log_distributions(student, teacher, temperature)
    return temperature**2 * kl_divergence(log_p, log_mixture(log_p, log_q, alpha))


def reverse_skew_kl(student: "Tensor", teacher: "Tensor", alpha: float, temperature: float) -> "Tensor":
    """Return ``T² KL(q ‖ α q + (1 − α) p)``; as in ``reverse-kl``, ``q`` is over the teacher's candidates.

    Arguments and shapes are those of ``forward_skew_kl``.
    """
    log_p, log_q = log_distributions(among_candidates_of(teacher, student), teacher, temperature)
    return temperature**2 * kl_divergence(log_q, log_mixture(log_q, log_p, alpha))
