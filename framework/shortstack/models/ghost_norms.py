"""Per-example squared norms of parameter gradients, without forming the gradients ("ghost norms").

Source: Goodfellow 2015 (arXiv 1510.01799); Li et al. 2021 (arXiv 2110.05679), section 4.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

_LARGEST = 2**24
"""Elements of the largest intermediate; examples are taken in groups that stay below it."""
_MANY_TOKENS = 64
"""Number of tokens from which computing half of the symmetric products saves more than the split costs."""


def wide(values: Tensor) -> Tensor:
    """Return the values in float32, or in float64 if they are float64.

    >>> wide(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def squared_matrix_gradient(inputs: Tensor, *gradients: Tensor) -> Tensor:
    """Return ``‖Σ_t g_t a_tᵀ‖² = Σ_{t,t'} (a_t·a_t')(g_t·g_t')``, by whichever side is cheaper for the shapes.

    Args:
        inputs: ``(batch, tokens, in)``: the input of the linear map, ``a``.
        gradients: ``(batch, tokens, out)``: of the objective at its output, ``g``; or at the outputs of several maps of
            the same input, whose squares are added up.

    Returns:
        float64 ``(batch,)``, never negative.

    >>> squared_matrix_gradient(torch.ones(1, 2, 3), torch.ones(1, 2, 4))  # a 4 × 3 matrix of 2
    tensor([48.], dtype=torch.float64)
    """
    _, tokens, fan_in = inputs.shape
    fan_out = sum(gradient.shape[-1] for gradient in gradients)
    symmetry = 0.75 if tokens >= 2 * _MANY_TOKENS else 1.5  # measured on CPUs, seconds for as many multiplications
    by_tokens = symmetry * tokens * (fan_in + fan_out) <= fan_in * fan_out
    group = max(1, _LARGEST // (tokens * tokens if by_tokens else fan_in * fan_out))
    squared = _by_tokens if by_tokens else _by_weights
    parts = [(inputs, *gradients)]
    if len(inputs) > group:
        parts = list(zip(inputs.split(group), *(gradient.split(group) for gradient in gradients), strict=True))
    with _on_tensor_cores(parts[0]):
        norms = [squared(wide(a), [wide(part) for part in g]) for a, *g in parts]
    # products of tokens are no sum of squares: rounding may leave a result just below 0
    return (torch.cat(norms) if len(norms) > 1 else norms[0]).double().clamp_min(0)


def squared_vector_gradient(gradients: Tensor, scale: Tensor | None = None) -> Tensor:
    """Return ``‖Σ_t g_t‖²``, summed over all but the first and last dimension, float64 ``(batch,)``.

    Args:
        gradients: ``(batch, …, width)``.
        scale: Divisor of each channel's sum, ``(width,)``.

    >>> squared_vector_gradient(torch.ones(1, 2, 3))
    tensor([12.], dtype=torch.float64)
    """
    sums = wide(gradients).flatten(1, -2).sum(1).double()
    return (sums if scale is None else sums / scale).square().sum(-1)


def _on_tensor_cores(values: Sequence[Tensor]) -> AbstractContextManager[None]:
    """Allow TF32 for products of half-precision values inside the context: exact factors, and sums in float32."""
    exact = all(part.is_cuda and part.dtype in {torch.bfloat16, torch.float16} for part in values)
    return _tf32() if exact else nullcontext()


@contextmanager
def _tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _by_tokens(inputs: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    """Sum over pairs of tokens; for many tokens, products between the halves are computed once and counted twice."""
    tokens = inputs.shape[1]
    if tokens < _MANY_TOKENS:
        return _products(inputs, inputs, gradients, gradients)
    (early, late), halves = inputs.tensor_split(2, 1), [gradient.tensor_split(2, 1) for gradient in gradients]
    before, after = [half[0] for half in halves], [half[1] for half in halves]
    return _by_tokens(early, before) + _by_tokens(late, after) + 2 * _products(early, late, before, after)


def _products(left: Tensor, right: Tensor, gradients: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Return ``Σ_{t,t'} (a_t·b_t') Σ_maps (g_t·h_t')``."""
    alike = gradients[0] @ others[0].mT
    for gradient, other in zip(gradients[1:], others[1:], strict=True):
        alike.baddbmm_(gradient, other.mT)
    return (left @ right.mT).mul_(alike).sum((1, 2))


def _by_weights(inputs: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    norms = torch.stack([torch.linalg.vector_norm(gradient.mT @ inputs, dim=(1, 2)) for gradient in gradients])
    return norms.square().sum(0)
