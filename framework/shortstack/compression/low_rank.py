"""``low-rank``: each matrix becomes a product of two thin ones, by a singular value decomposition weighted by its inputs.

With ``X`` the inputs at all calibration tokens, ``(tokens, inputs)``, and a Cholesky factor ``S Sᵀ = Xᵀ X + ε I``, the decomposition
``W S = U Σ Vᵀ`` is cut to the rank ``r``: ``W ≈ (U_r Σ_r^½) (Σ_r^½ V_rᵀ S⁻¹)``. That is the matrix of rank ``r`` with the least
``‖X Wᵀ − X W'ᵀ‖_F``, for ``ε → 0``: truncating a singular value ``σ`` costs ``σ²`` of it. A share such as 50 % is what the two factors
have less than the matrix: ``r = ⌊(1 − share) · outputs · inputs / (outputs + inputs)⌋``, at least 1.

Source: Wang et al. 2025, SVD-LLM, arXiv 2403.12403, section 3.1 (truncation-aware data whitening), without its update of the
factors; ``ε`` is ``1e-6`` of the mean diagonal, for inputs that never vary.
"""

from fractions import Fraction

import torch
from torch import Tensor, nn

from shortstack.compression.linears import unfilled
from shortstack.compression.method import Method

_RIDGE = 1e-6


def low_rank(share: Fraction) -> Method:
    """Return the method that leaves out a share of the weights, in (0, 1)."""

    def compressed(linear: nn.Linear, gram: Tensor | None) -> nn.Module:
        assert gram is not None  # noqa: S101 -- it has a statistic
        outer, inner = factors(linear.weight, gram, rank_of(linear.weight, share))
        return _as_modules(outer, inner, linear)

    return Method(name=f"low-rank-{float(100 * share):g}%", compress=compressed, statistic=gram_of)


def gram_of(inputs: Tensor) -> Tensor:
    """Return ``Xᵀ X``, ``(inputs, inputs)``."""
    return inputs.T @ inputs


def rank_of(weight: Tensor, share: Fraction) -> int:
    """Return the largest rank whose factors have that share of the weights less, at least 1.

    >>> rank_of(torch.zeros(96, 192), Fraction(1, 2))
    32
    """
    return max(1, int((1 - share) * weight.numel() / sum(weight.shape)))


def factors(weight: Tensor, gram: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors of the nearest matrix of a rank, measured by a module's outputs.

    Args:
        weight: ``(outputs, inputs)``.
        gram: ``Xᵀ X``, float64 ``(inputs, inputs)``.
        rank: Number of singular values that stay.

    Returns:
        ``(outputs, rank)`` and ``(rank, inputs)``, float64.
    """
    mean = gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
    root = torch.linalg.cholesky(gram + _RIDGE * mean * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    left, values, right = torch.linalg.svd(weight.double() @ root, full_matrices=False)
    scale = values[:rank].sqrt()
    inner = torch.linalg.solve_triangular(root, scale[:, None] * right[:rank], upper=False, left=False)
    return left[:, :rank] * scale, inner


def _as_modules(outer: Tensor, inner: Tensor, linear: nn.Linear) -> nn.Module:
    """Return two linear modules, one after the other, in the dtype of the one that they replace."""
    first = unfilled(inner.shape[1], len(inner), bias=False, like=linear.weight)
    second = unfilled(len(inner), len(outer), bias=linear.bias is not None, like=linear.weight)
    first.weight.data.copy_(inner)
    second.weight.data.copy_(outer)
    if linear.bias is not None:
        second.bias.data.copy_(linear.bias)
    return nn.Sequential(first, second)
