"""Cross-entropy of the target candidate: training on the data, without a teacher."""

from typing import TYPE_CHECKING

import attrs
from attrs import validators

from shortstack.contracts import LossBatch, LossDescriptor, LossTraits, ModelOutputs, Output, Selection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


@attrs.frozen(kw_only=True)
class LabelSettings:
    """The settings of ``labels``.

    Attributes:
        sampled: Number of candidates drawn at each step, as negatives of all positions, for large catalogues: only their
            logits and those of the batch's labels are computed. The softmax's denominator is right on average; its
            logarithm, which is the loss, is too small, by less the more are drawn. None for all candidates.
    """

    sampled: int | None = attrs.field(default=None, validator=validators.optional(validators.ge(1)))


def label_traits(settings: LabelSettings) -> LossTraits:
    """Return the promises: how many candidates are sampled."""
    return LossTraits(sampled=settings.sampled)


DESCRIPTOR = LossDescriptor(
    name="labels",
    summary="Cross-entropy of the right candidate; needs no teacher.",
    build=lambda _: Labels(),
    config=LabelSettings,
    reference="sampled: Yi et al. 2019, https://doi.org/10.1145/3298689.3346996, equation 3",
    traits=label_traits(LabelSettings()),
    traits_of=label_traits,
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
        if batch.log_shares is None:
            return cross_entropy_sum(student.logits, batch.labels)
        return sampled_cross_entropy_sum(student.logits, batch.labels, batch.log_shares)


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


def sampled_cross_entropy_sum(logits: "Tensor", labels: "Tensor", log_shares: "Tensor") -> "Tensor":
    """Return ``Σ_n log( exp(z_n,y) + Σ_{j ≠ y} share_j exp(z_n,j) ) − z_n,y`` in float32 or wider.

    Args:
        logits: ``(positions, columns)``.
        labels: int64 ``(positions,)``: ``y``, indices of columns.
        log_shares: ``(columns,)``: logarithm of the number of candidates that a column stands for.

    >>> import torch
    >>> shares = torch.tensor([3.0, 3.0, 0.0])  # two drawn of six candidates, and a label
    >>> round(sampled_cross_entropy_sum(torch.zeros(1, 3), torch.tensor([2]), shares.log()).item(), 3)  # log(1 + 3 + 3)
    1.946
    """
    import torch

    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    # a label stands for itself, even if it was drawn
    shares = log_shares.expand(wide.shape).scatter(1, labels[:, None], 0.0)
    return cross_entropy_sum(wide + shares, labels)
