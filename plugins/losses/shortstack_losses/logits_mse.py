"""Squared error of the logits, centred over the candidates, since the softmax does not see a constant."""

from typing import TYPE_CHECKING

from shortstack.contracts import LossDescriptor, LossTraits, NoSettings
from shortstack_losses.logit_loss import LogitLoss

if TYPE_CHECKING:
    from torch import Tensor

DESCRIPTOR = LossDescriptor(
    name="logits-mse",
    summary="Mean squared error of the logits, each centred over the candidates.",
    build=lambda _: LogitLoss(name="logits-mse", terms=centred_squared_error),
    config=NoSettings,
    reference="Ba & Caruana 2014, arXiv 1312.6184; centred as in arXiv 1503.02531, section 2.1",
    traits=LossTraits(distribution=True, symmetric=True, degree=2),
)


def centred_squared_error(student: "Tensor", teacher: "Tensor") -> "Tensor":
    """Return ``(1/|V|) Σ_v ((s_v − s̄) − (t_v − t̄))²``, the variance of ``s − t`` over the candidates ``V``.

    It is twice the limit of ``soft-targets`` as ``T → ∞``. Candidates to which either model gives a logit of −∞ take no
    part, in the sum, the means and ``|V|``.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape.

    Returns:
        ``(positions,)``, float32 or wider.

    >>> import torch
    >>> centred_squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[7.0, 7.0]])).tolist()
    [1.0]
    """
    import torch

    dtype = torch.promote_types(student.dtype, torch.float32)
    ours, theirs = student.to(dtype), teacher.detach().to(dtype)
    out = (ours == -torch.inf) | (theirs == -torch.inf)
    gap = ours.masked_fill(out, 0.0) - theirs.masked_fill(out, 0.0)
    candidates = (~out).sum(-1, keepdim=True).clamp_min(1)
    centred = (gap - gap.sum(-1, keepdim=True) / candidates).masked_fill(out, 0.0)
    return centred.square().sum(-1) / candidates.squeeze(-1)
