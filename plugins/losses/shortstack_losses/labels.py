"""Cross-entropy of the target candidate: training on the data, without a teacher."""

from typing import TYPE_CHECKING

from shortstack.contracts import LossBatch, LossDescriptor, ModelOutputs, NoSettings, Output, Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

DESCRIPTOR = LossDescriptor(
    name="labels",
    summary="Cross-entropy of the right candidate; needs no teacher.",
    build=lambda _: Labels(),
    config=NoSettings,
)


class Labels:
    """``Σ_n −log q(y_n)`` over the supervised positions, ``q`` the student's distribution over the candidates."""

    needs = frozenset({Output.STUDENT_LOGITS})

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
        teacher: ModelOutputs,  # noqa: ARG002 -- the contract's signature
        batch: LossBatch,
        module: "nn.Module | None",  # noqa: ARG002
    ) -> "Tensor":
        """Return the sum over the positions."""
        if student.logits is None:
            raise TypeError("labels needs the student's logits")
        return cross_entropy_sum(student.logits, batch.labels)


def cross_entropy_sum(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Return ``Σ_n −log softmax(logits_n)[labels_n]`` in float32 or wider.

    Args:
        logits: ``(positions, candidates)``.
        labels: int64 ``(positions,)``.

    >>> import torch
    >>> round(cross_entropy_sum(torch.zeros(2, 4), torch.tensor([0, 3])).item(), 3)  # 2 log 4
    2.773
    """
    import torch
    from torch.nn import functional as F

    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(wide, labels, reduction="sum")
