"""Reverse KL: divergence from the student's distribution to the teacher's, which seeks the teacher's modes."""

from functools import partial
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import LossDescriptor, LossTraits
from shortstack_losses.distributions import among_candidates_of, kl_divergence, log_distributions
from shortstack_losses.logit_loss import LogitLoss
from shortstack_losses.ranges import TEMPERATURE

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class ReverseKLSettings:
    """The settings of ``reverse-kl``.

    Attributes:
        temperature: Divisor of both models' logits; above 1, less likely candidates weigh more.
    """

    temperature: float = attrs.field(default=1.0, validator=TEMPERATURE)


DESCRIPTOR = LossDescriptor(
    name="reverse-kl",
    summary="Reverse KL, from the student's distribution over the candidates to the teacher's: mode-seeking.",
    build=lambda settings: LogitLoss(
        name="reverse-kl", terms=partial(tempered_reverse_kl, temperature=settings.temperature)
    ),
    config=ReverseKLSettings,
    reference="Gu et al. 2024, arXiv 2306.08543 (MiniLLM)",
    traits=LossTraits(distribution=True),
)


def tempered_reverse_kl(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """Return ``T² Σ_v q (log q − log p)``, ``p = softmax(teacher/T)`` and ``q = softmax(student/T)``.

    Candidates to which the teacher gives a logit of −∞ contribute nothing: ``q`` is over the others, since the
    divergence would be infinite otherwise.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.
        temperature: ``T``; the factor ``T²`` keeps the size of the gradient from shrinking with it.

    Returns:
        ``(positions,)``.
    """
    log_p, log_q = log_distributions(among_candidates_of(teacher, student), teacher, temperature)
    return temperature**2 * kl_divergence(log_q, log_p)
