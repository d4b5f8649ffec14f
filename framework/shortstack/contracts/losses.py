"""The contract of distillation losses: a sum of terms, and their number."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from shortstack.contracts.selection import Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


class Output(Enum):
    """Output of the student or the teacher that a loss may need.

    Attributes:
        STUDENT_LOGITS: ``logits`` of the student.
        TEACHER_LOGITS: ``logits`` of the teacher.
        STUDENT_STATES: ``states`` of the student.
        TEACHER_STATES: ``states`` of the teacher.
        STUDENT_ATTENTION: ``attention`` of the student.
        TEACHER_ATTENTION: ``attention`` of the teacher.
    """

    STUDENT_LOGITS = "student-logits"
    TEACHER_LOGITS = "teacher-logits"
    STUDENT_STATES = "student-states"
    TEACHER_STATES = "teacher-states"
    STUDENT_ATTENTION = "student-attention"
    TEACHER_ATTENTION = "teacher-attention"

    @property
    def of_teacher(self) -> bool:
        """True if a teacher has to run for it."""
        return self in {Output.TEACHER_LOGITS, Output.TEACHER_STATES, Output.TEACHER_ATTENTION}


@attrs.frozen(kw_only=True, eq=False)
class AttentionInputs:
    """Queries, keys and values of one layer, as its attention gets them: after rotary positions and norms of heads.

    With grouped queries there are fewer key heads than heads, each once.

    Attributes:
        queries: ``(batch, heads, tokens, head_size)``.
        keys: ``(batch, key_heads, tokens, head_size)``; key head ``k`` serves ``heads / key_heads`` neighbouring heads.
        values: ``(batch, key_heads, tokens, value_size)``.
    """

    queries: "Tensor"
    keys: "Tensor"
    values: "Tensor"


@attrs.frozen(kw_only=True, eq=False)
class ModelOutputs:
    """Outputs of one model for one batch; a field is None unless some loss needs it.

    Attributes:
        logits: ``(positions, candidates)``: a row per supervised position, a column per candidate, not the vocabulary.
        states: Layer index → ``(batch, tokens, hidden)``: the output of that layer, before any final norm.
        attention: Layer index → its queries, keys and values; without the layers that have no attention, as in a
            hybrid of attention and recurrence.
    """

    logits: "Tensor | None" = None
    states: "Mapping[int, Tensor] | None" = None
    attention: "Mapping[int, AttentionInputs] | None" = None


@attrs.frozen(kw_only=True, eq=False)
class LossBatch:
    """Labels and masks of one batch.

    Attributes:
        labels: int64 ``(positions,)``: the right candidate of each supervised position.
        mask: Bool ``(batch, tokens)``: False where the token is padding.
        log_shares: float32 ``(candidates,)``: logarithm of the number of candidates that each column of the logits stands
            for, where only some are columns (``LossTraits.sampled``); −∞ for one that is there as a label alone. A label
            stands for itself at its own positions. None where all candidates are columns.
    """

    labels: "Tensor"
    mask: "Tensor"
    log_shares: "Tensor | None" = None


@runtime_checkable
class DistillationLoss(Protocol):
    """Sum over terms; the trainer divides by the number of terms of the whole optimiser step.

    Sums with a known global count make gradient accumulation and data-parallel training equal to the big batch.

    Attributes:
        needs: Outputs of the models that it reads; the others are None. If none is the teacher's, no teacher runs.
    """

    needs: frozenset[Output]

    def prepare(
        self, teacher: "PreTrainedConfig | None", student: "PreTrainedConfig", selection: Selection | None
    ) -> "nn.Module | None":
        """Return the loss's own parameters, trained beside the student and never exported; None if it has none.

        Raises:
            ConfigurationError: A teacher or a selection is missing, or they do not belong to this student.
            UnsupportedModelError: The loss cannot compare two such models.
        """

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of terms, an int64 scalar, from labels and masks alone."""

    def __call__(
        self, student: ModelOutputs, teacher: ModelOutputs, batch: LossBatch, module: "nn.Module | None"
    ) -> "Tensor":
        """Return the sum over those terms, a scalar in float32 or wider. Never a mean.

        The teacher is a constant: a loss detaches its outputs.
        """
