"""Squared norms of parameter gradients, one an example, without forming the gradients of the batch.

Source: Goodfellow 2015 (arXiv 1510.01799); Li et al. 2021 (arXiv 2110.05679), section 4.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_LARGEST = 2**24
"""Elements of the largest intermediate; examples are taken in groups that stay below it."""


def wide(values: Tensor) -> Tensor:
    """The values in float32, or float64 if they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def squared_matrix_gradient(inputs: Tensor, *gradients: Tensor) -> Tensor:
    """``‖Σ_t g_t a_tᵀ‖² = Σ_{t,t'} (a_t·a_t')(g_t·g_t')``, by whichever side is cheaper for the shapes.

    Args:
        inputs: ``(batch, tokens, in)``: what the linear map was given, ``a``.
        gradients: ``(batch, tokens, out)``: of the objective at its output, ``g``; or at the outputs of several maps of
            the same input, whose squares are added up.

    Returns:
        float64 ``(batch,)``, never negative.
    """
    _, tokens, fan_in = inputs.shape
    fan_out = sum(gradient.shape[-1] for gradient in gradients)
    by_tokens = tokens * (fan_in + fan_out) <= fan_in * fan_out
    group = max(1, _LARGEST // (tokens * tokens if by_tokens else fan_in * fan_out))
    one = _by_tokens if by_tokens else _by_weights
    parts = zip(inputs.split(group), *(gradient.split(group) for gradient in gradients), strict=True)
    return torch.cat([one(wide(a), [wide(part) for part in g]) for a, *g in parts]).double().clamp_min(0)


def squared_vector_gradient(gradients: Tensor, scale: Tensor | None = None) -> Tensor:
    """``‖Σ_t g_t‖²`` over everything but the first and last dimension, float64 ``(batch,)``.

    Args:
        gradients: ``(batch, …, width)``.
        scale: ``(width,)``: what every sum is divided by first.
    """
    sums = wide(gradients).flatten(1, -2).sum(1).double()
    return (sums if scale is None else sums / scale).square().sum(-1)


def _by_tokens(inputs: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    first, *others = gradients
    alike = first @ first.mT
    for other in others:
        alike.baddbmm_(other, other.mT)
    return (inputs @ inputs.mT).mul_(alike).sum((1, 2))


def _by_weights(inputs: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    norms = torch.stack([torch.linalg.vector_norm(gradient.mT @ inputs, dim=(1, 2)) for gradient in gradients])
    return norms.square().sum(0)
