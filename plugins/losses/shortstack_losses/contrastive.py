"""Contrastive distillation: a token's state of the student is contrasted with the teacher's states of all other tokens."""

from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import LossBatch, LossDescriptor, LossTraits, ModelOutputs, Output, Selection
from shortstack.errors import ConfigurationError
from shortstack_losses.projections import projection
from shortstack_losses.ranges import TEMPERATURE

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True)
class ContrastiveSettings:
    """The settings of ``contrastive``.

    Attributes:
        temperature: Divisor of the cosines; below 1, the most similar of the other tokens weigh more.
    """

    temperature: float = attrs.field(default=0.1, validator=TEMPERATURE)


DESCRIPTOR = LossDescriptor(
    name="contrastive",
    summary="InfoNCE between the last layers' states of student and teacher, the batch's other tokens as negatives.",
    build=lambda settings: Contrastive(temperature=settings.temperature),
    config=ContrastiveSettings,
    reference="van den Oord et al. 2018, arXiv 1807.03748, equation 4; for distillation Tian et al. 2020, arXiv 1910.10699",
    traits=LossTraits(additive=False, degree=0),
)


@attrs.frozen(kw_only=True, eq=False)
class Contrastive:
    """``Σ_n −log( exp(cos(P s_n, t_n)/τ) / Σ_m exp(cos(P s_n, t_m)/τ) )`` over the unmasked tokens ``n``, ``m``.

    ``s`` and ``t`` are the outputs of the student's and the teacher's last layer, ``P`` a learned projection to the
    teacher's width where the widths differ. The negatives are the tokens of the same micro-batch, so the loss of two
    batches is not the sum of theirs, and gradient accumulation has fewer negatives than the big batch. The similarities
    take ``4 N²`` bytes for ``N`` tokens.

    Attributes:
        temperature: ``τ``.
    """

    temperature: float
    needs = frozenset({Output.STUDENT_STATES, Output.TEACHER_STATES})

    def prepare(
        self,
        teacher: "PreTrainedConfig | None",
        student: "PreTrainedConfig",
        selection: Selection | None,  # noqa: ARG002 -- the contract's signature
    ) -> "nn.Module":
        """Return the projection, or the identity.

        Raises:
            ConfigurationError: There is no teacher.
        """
        if teacher is None:
            raise ConfigurationError("the loss 'contrastive' compares states with a teacher's, so it needs a teacher")
        return projection(student, teacher)

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of unmasked tokens."""
        return batch.mask.sum()

    def __call__(
        self, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: "nn.Module | None"
    ) -> "Tensor":
        """Return the sum over the tokens."""
        if student.states is None or teacher.states is None or module is None:
            raise TypeError("contrastive needs the states of both models and the module that prepare() made")
        ours = module(student.states[max(student.states)][batch.mask])
        theirs = teacher.states[max(teacher.states)][batch.mask]
        return info_nce(ours, theirs.detach(), self.temperature).sum()


def info_nce(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """Return ``log Σ_m exp(cos(s_n, t_m)/τ) − cos(s_n, t_n)/τ``, in float32 or wider.

    Args:
        student: ``(tokens, hidden)``.
        teacher: The same shape.
        temperature: ``τ``.

    Returns:
        ``(tokens,)``; 0 for a token without others.

    >>> import torch
    >>> info_nce(torch.eye(2), torch.eye(2), 1.0).exp().round(decimals=2).tolist()  # 1 + 1/e
    [1.3700000047683716, 1.3700000047683716]
    """
    import torch
    from torch.nn import functional as F

    dtype = torch.promote_types(student.dtype, torch.float32)
    with torch.autocast(student.device.type, enabled=False):  # which would multiply in half precision again
        similarities = F.normalize(student.to(dtype), dim=-1) @ F.normalize(teacher.to(dtype), dim=-1).T / temperature
        return -similarities.log_softmax(-1).diagonal()
