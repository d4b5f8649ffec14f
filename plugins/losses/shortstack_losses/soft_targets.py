"""Soft targets: forward KL divergence from the teacher's distribution to the student's, at a temperature."""

from functools import partial
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import LossDescriptor, LossTraits
from shortstack_losses.distributions import kl_divergence, log_distributions
from shortstack_losses.logit_loss import LogitLoss
from shortstack_losses.ranges import TEMPERATURE

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class SoftTargetSettings:
    """The settings of ``soft-targets``.

    Attributes:
        temperature: Divisor of both models' logits; above 1, less likely candidates of the teacher weigh more.
    """

    temperature: float = attrs.field(default=2.0, validator=TEMPERATURE)


DESCRIPTOR = LossDescriptor(
    name="soft-targets",
    summary="Forward KL from the teacher's distribution over the candidates to the student's, at a temperature.",
    build=lambda settings: soft_targets(settings.temperature),
    config=SoftTargetSettings,
    reference="Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2",
    traits=LossTraits(distribution=True, forward_kl=True),
)


def soft_targets(temperature: float) -> LogitLoss:
    """Return ``T² Σ_n KL(p_n ‖ q_n)`` over the supervised positions, ``p`` the teacher's and ``q`` the student's."""
    return LogitLoss(name=DESCRIPTOR.name, terms=partial(tempered_kl, temperature=temperature))


def tempered_kl(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """Return ``T² Σ_v p (log p − log q)``, ``p = softmax(teacher/T)`` and ``q = softmax(student/T)``.

    The factor ``T²`` keeps the size of the gradient, ``T (q − p)``, from shrinking with ``T``. Candidates to which the
    teacher gives a logit of −∞ contribute nothing.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.
        temperature: ``T``.

    Returns:
        ``(positions,)``.
    """
    log_p, log_q = log_distributions(student, teacher, temperature)
    return temperature**2 * kl_divergence(log_p, log_q)
