"""A loss of the logits of both models, made of one function of a position's logits."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import LossBatch, ModelOutputs, Output, Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True, eq=False)
class LogitLoss:
    """``Σ_n d(s_n, t_n)`` over the supervised positions, ``s`` the student's and ``t`` the teacher's logits.

    No term depends on another position, so any chunks of positions may be computed one after the other.

    Attributes:
        name: Name of the loss, for error messages.
        terms: ``d``: the student's and the teacher's ``(positions, candidates)`` to ``(positions,)``, float32 or wider.
    """

    name: str
    terms: "Callable[[Tensor, Tensor], Tensor]"
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
            raise TypeError(f"{self.name} needs the logits of both models")
        return self.terms(student.logits, teacher.logits).sum()
