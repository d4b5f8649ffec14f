"""What a distillation loss is: a sum of terms, and how many terms there are."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from shortstack.contracts.selection import Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


class Output(Enum):
    """What a loss may ask of the two models.

    Attributes:
        STUDENT_LOGITS: ``logits`` of the student.
        TEACHER_LOGITS: ``logits`` of the teacher.
        STUDENT_STATES: ``states`` of the student.
        TEACHER_STATES: ``states`` of the teacher.
    """

    STUDENT_LOGITS = "student-logits"
    TEACHER_LOGITS = "teacher-logits"
    STUDENT_STATES = "student-states"
    TEACHER_STATES = "teacher-states"

    @property
    def of_teacher(self) -> bool:
        """Whether a teacher has to run for it."""
        return self in {Output.TEACHER_LOGITS, Output.TEACHER_STATES}


@attrs.frozen(kw_only=True, eq=False)
class ModelOutputs:
    """What one model gave for one batch; a field is None unless some loss needs it.

    Attributes:
        logits: ``(positions, candidates)``: one row a supervised position, one column a candidate. Never the vocabulary.
        states: Layer index → ``(batch, tokens, hidden)``: what left that layer, before any final norm.
    """

    logits: "Tensor | None" = None
    states: "Mapping[int, Tensor] | None" = None


@attrs.frozen(kw_only=True, eq=False)
class LossBatch:
    """The labels and masks of one batch.

    Attributes:
        labels: int64 ``(positions,)``: the right candidate of each supervised position.
        mask: Bool ``(batch, tokens)``: False where the token is padding.
    """

    labels: "Tensor"
    mask: "Tensor"


@runtime_checkable
class DistillationLoss(Protocol):
    """A sum over terms; the trainer divides by the number of terms of the whole optimiser step.

    Sums with a known global count make gradient accumulation and data-parallel training equal to the big batch.

    Attributes:
        needs: What of the two models it reads; all else is None. A loss that needs nothing of the teacher runs none.
    """

    needs: frozenset[Output]

    def prepare(
        self, teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
    ) -> "nn.Module | None":
        """The loss's own parameters, trained beside the student and never exported; None if it has none.

        Raises:
            ConfigurationError: A teacher or a selection is missing, or they do not belong to this student.
            UnsupportedModelError: The loss cannot compare two such models.
        """

    def count(self, batch: LossBatch) -> "Tensor":
        """int64 scalar: how many terms, from labels and masks alone."""

    def __call__(
        self, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: "nn.Module | None"
    ) -> "Tensor":
        """Scalar: the sum over those terms, in float32 or wider. Never a mean.

        The teacher is a constant, so a loss detaches what it gave.
        """
