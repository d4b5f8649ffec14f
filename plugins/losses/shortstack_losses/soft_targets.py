"""Soft targets: forward KL divergence from the teacher's distribution to the student's, at a temperature."""

from typing import TYPE_CHECKING

import attrs
from attrs import validators

from shortstack.contracts import LossBatch, LossDescriptor, LossTraits, ModelOutputs, Output, Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True)
class SoftTargetSettings:
    """The settings of ``soft-targets``.

    Attributes:
        temperature: Divisor of both models' logits; above 1, less likely candidates of the teacher weigh more.
    """

    temperature: float = attrs.field(default=2.0, validator=[validators.gt(0.0), validators.lt(float("inf"))])


DESCRIPTOR = LossDescriptor(
    name="soft-targets",
    summary="Forward KL from the teacher's distribution over the candidates to the student's, at a temperature.",
    build=lambda settings: SoftTargets(settings.temperature),
    config=SoftTargetSettings,
    reference="Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2",
    traits=LossTraits(distribution=True, forward_kl=True),
)


@attrs.frozen(eq=False)
class SoftTargets:
    """``T² Σ_n KL(p_n ‖ q_n)`` over the supervised positions, ``p`` the teacher's and ``q`` the student's at ``T``."""

    temperature: float
    needs = frozenset({Output.STUDENT_LOGITS, Output.TEACHER_LOGITS})

    def prepare(
        self,
        teacher: "PreTrainedConfig | None",
        student: "PreTrainedConfig",
        selection: Selection | None,
    ) -> None:
        """Return None: the loss has no trainable module."""

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of supervised positions."""
        return batch.labels.new_tensor(batch.labels.numel())

    def __call__(
        self,
        student: ModelOutputs,
        teacher: ModelOutputs,
        batch: LossBatch,  # noqa: ARG002 -- the contract's signature
        module: "nn.Module | None",  # noqa: ARG002
    ) -> "Tensor":
        """Return the sum over the positions."""
        if student.logits is None or teacher.logits is None:
            raise TypeError("soft-targets needs the logits of both models")
        return tempered_kl_sum(student.logits, teacher.logits, self.temperature)


def tempered_kl_sum(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """Return ``T² Σ_n Σ_v p (log p − log q)``, ``p = softmax(teacher/T)`` and ``q = softmax(student/T)``.

    The factor ``T²`` keeps the size of the gradient, ``T (q − p)``, from shrinking with ``T``. Candidates to which the
    teacher gives a logit of −∞ contribute nothing.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.
        temperature: ``T``.
    """
    import torch

    dtype = torch.promote_types(student.dtype, torch.float32)
    log_q = torch.log_softmax(student.to(dtype) / temperature, dim=-1)
    log_p = torch.log_softmax(teacher.detach().to(dtype) / temperature, dim=-1)
    # 0 · (−∞ − …) would be NaN, forwards and backwards
    gap = (log_p - log_q).masked_fill(log_p == -torch.inf, 0.0)
    return temperature**2 * (log_p.exp() * gap).sum()
