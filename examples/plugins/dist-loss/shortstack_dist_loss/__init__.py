"""``dist``: distillation by the correlation of the teacher's and the student's distributions.

Source: Huang, You, Wang, Qian & Xu 2022, "Knowledge Distillation from A Stronger Teacher", arXiv 2205.10536:
the relation between classes, measured by Pearson's correlation.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
from attrs import validators

from shortstack.contracts import LossBatch, LossDescriptor, LossTraits, ModelOutputs, Output, Selection
from shortstack.hooks import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_ROUNDING_ERRORS = 16.0


@attrs.frozen(kw_only=True)
class DistSettings:
    """The settings of ``dist``.

    Attributes:
        temperature: Divisor of both models' logits; above 1, less likely candidates weigh more.
    """

    temperature: float = attrs.field(default=1.0, validator=[validators.gt(0.0), validators.lt(float("inf"))])


@attrs.frozen(eq=False)
class Dist:
    """``Σ_n 1 − ρ(q_n, p_n)`` over the supervised positions, ``ρ`` Pearson's correlation over the candidates.

    ``p`` is the teacher's distribution and ``q`` the student's, both at the temperature ``T``.
    """

    temperature: float
    needs = frozenset({Output.STUDENT_LOGITS, Output.TEACHER_LOGITS})

    def prepare(
        self, teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
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
        """Return the sum over the positions, in float32 or wider."""
        import torch

        if student.logits is None or teacher.logits is None:
            raise TypeError("dist needs the logits of both models")
        wide = torch.promote_types(student.logits.dtype, torch.float32)
        ours = torch.softmax(student.logits.to(wide) / self.temperature, dim=-1)
        theirs = torch.softmax(teacher.logits.detach().to(wide) / self.temperature, dim=-1)
        return correlation_distance(ours, theirs).sum()


def correlation_distance(left: "Tensor", right: "Tensor") -> "Tensor":
    """Return ``1 − ρ = ½‖u − v‖²`` of the centred rows at unit length, within [0, 2]; exactly 0 for equal rows.

    The correlation of a constant row is undefined: it is at distance 0 from another constant row and 1 from all others,
    with gradient 0. Shapes ``(rows, candidates)`` to ``(rows,)``.
    """
    (left, left_flat), (right, right_flat) = _standardised(left), _standardised(right)
    halves = (left - right).square().sum(-1) / 2
    return halves.masked_fill(left_flat ^ right_flat, 1.0).clamp(max=2.0)


def _standardised(rows: "Tensor") -> "tuple[Tensor, Tensor]":
    """Centre rows and scale them to length 1, or 0 where a row is constant up to rounding; and return which rows are."""
    import torch

    centred = rows - rows.mean(-1, keepdim=True)
    least = _ROUNDING_ERRORS * torch.finfo(rows.dtype).eps * torch.linalg.vector_norm(rows.detach(), dim=-1)
    flat = torch.linalg.vector_norm(centred.detach(), dim=-1) <= least
    # filled before the norm is taken: its derivative at 0 would be NaN even where it is masked afterwards
    safe = centred.masked_fill(flat[..., None], 1.0)
    units = safe / torch.linalg.vector_norm(safe, dim=-1, keepdim=True)
    return units.masked_fill(flat[..., None], 0.0), flat


DESCRIPTOR = LossDescriptor(
    name="dist",
    summary="1 − Pearson correlation between the teacher's and the student's distribution over the candidates.",
    build=lambda settings: Dist(settings.temperature),
    config=DistSettings,
    reference="Huang et al. 2022, arXiv 2205.10536",
    traits=LossTraits(symmetric=True, upper=2.0),
)


@hookimpl
def shortstack_losses() -> Iterator[LossDescriptor]:
    """Yield the loss."""
    yield DESCRIPTOR
