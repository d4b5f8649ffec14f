"""Distributions over the candidates, as logarithms, and the divergences between them that several losses share."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def log_distributions(student: "Tensor", teacher: "Tensor", temperature: float) -> "tuple[Tensor, Tensor]":
    """Return ``log p = log softmax(teacher/T)`` and ``log q = log softmax(student/T)``, in float32 or wider.

    Args:
        student: ``(positions, candidates)`` logits.
        teacher: The same shape; a constant, so it is detached.
        temperature: ``T``.
    """
    import torch

    dtype = torch.promote_types(student.dtype, torch.float32)
    log_q = torch.log_softmax(student.to(dtype) / temperature, dim=-1)
    log_p = torch.log_softmax(teacher.detach().to(dtype) / temperature, dim=-1)
    return log_p, log_q


def among_candidates_of(teacher: "Tensor", student: "Tensor") -> "Tensor":
    """Return the student's logits, −∞ where the teacher's are: its distribution is then over the teacher's candidates.

    For divergences that average over the student's distribution, which would be infinite otherwise.
    """
    import torch

    return student.masked_fill(teacher.detach() == -torch.inf, -torch.inf)


def kl_divergence(log_a: "Tensor", log_b: "Tensor") -> "Tensor":
    """Return ``Σ_v a (log a − log b)``, never negative; a candidate without probability in ``a`` contributes nothing.

    Shapes ``(positions, candidates)`` to ``(positions,)``.

    >>> import torch
    >>> kl_divergence(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()).round(decimals=3).tolist()
    [0.14399999380111694]
    """
    a = log_a.exp()
    # 0 · (−∞ − …) would be NaN, forwards and backwards
    return never_negative((a * (log_a - log_b).masked_fill(a == 0.0, 0.0)).sum(-1))


def never_negative(values: "Tensor") -> "Tensor":
    """Return the values, exactly 0 where rounding made them negative; their gradient stays.

    A clamp would also cut off the gradient, which is larger than the rounding: near agreement a divergence is the
    square of a distance.
    """
    import torch

    return torch.where(values < 0.0, values - values.detach(), values)


def log_mixture(log_a: "Tensor", log_b: "Tensor", share: float) -> "Tensor":
    """Return ``log(share · a + (1 − share) · b)``, from logarithms, so that small probabilities stay above 0.

    Args:
        log_a: ``(positions, candidates)``.
        log_b: The same shape.
        share: The share of ``a``, in [0, 1).
    """
    import torch

    if share == 0.0:
        return log_b
    nowhere = (log_a == -torch.inf) & (log_b == -torch.inf)
    # filled before the sum: its derivative at two infinities would be NaN even where it is masked afterwards
    parts = (log_a.masked_fill(nowhere, 0.0) + math.log(share), log_b.masked_fill(nowhere, 0.0) + math.log1p(-share))
    return torch.logaddexp(*parts).masked_fill(nowhere, -torch.inf)
