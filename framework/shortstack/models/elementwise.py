"""Modules that scale and shift each channel: every kind of layer norm, recognised by what it does."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from shortstack.models.ghost_norms import wide

_SMALLEST = 1e-20
"""Products with smaller scales come near the smallest numbers of float32, where digits are lost."""


def may_be_elementwise(module: nn.Module) -> bool:
    """Whether a module's own parameters look like one scale, and perhaps one shift, a channel."""
    own = dict(module.named_parameters())
    shapes = {tuple(p.shape) for p in own.values()}
    return "weight" in own and set(own) <= {"weight", "bias"} and len(shapes) == 1 and len(shapes.pop()) == 1


def unit_weight(module: nn.Module, states: Tensor) -> float | None:
    """The weight under which a module gives exactly what its weight multiplies: 1, or 0 where it scales by ``1 + w``.

    Found by trying: with ``f(w)`` the output without shift, a scale of channels has ``f(v) − f(0) = v ⊙ (f(1) − f(0))``
    for any ``v``.

    Args:
        module: A module that ``may_be_elementwise``.
        states: What it was given, ``(…, width)``; the rows that are tried are made up, for a padded row may be all 0.

    Returns:
        None if the module does anything else with its parameters.
    """
    width = int(module.get_parameter("weight").numel())
    if states.shape[-1] != width:
        return None
    rows = torch.arange(1, 4 * width + 1, device=states.device).sin().reshape(4, width).to(wide(states.detach()[:0]))
    zero, one = _scaled(module, rows, 0.0), _scaled(module, rows, 1.0)
    uneven = torch.arange(width, device=rows.device).cos().to(rows)
    if one.shape != rows.shape or not _close(_scaled(module, rows, uneven) - zero, uneven * (one - zero)):
        return None
    if not _shifts(module, rows, zero, uneven):
        return None
    if not zero.any():
        return 1.0
    return 0.0 if _close(zero, one - zero) else None


def normalised(module: nn.Module, states: Tensor, unit: float) -> Tensor:
    """What the weight multiplies, ``(…, width)``, in float32 or wider."""
    return _scaled(module, wide(states), unit)


def scale_of(module: nn.Module, unit: float) -> Tensor | None:
    """float64 ``(width,)``: by what a module multiplies each channel, if dividing its output by it loses nothing.

    Args:
        module: A module that scales channels.
        unit: See ``unit_weight``.

    Returns:
        None if there is a shift, a scale of 0 or next to it, or an output rounded to half precision.
    """
    weight = module.get_parameter("weight").detach()
    scale = weight.double() + (1 - unit)
    exact = "bias" not in dict(module.named_parameters()) and weight.dtype in {torch.float32, torch.float64}
    return scale if exact and bool((scale.abs() > _SMALLEST).all()) else None


def _scaled(module: nn.Module, states: Tensor, weight: float | Tensor) -> Tensor:
    """The output under another weight and without shift."""
    value = torch.zeros(module.get_parameter("weight").shape, dtype=states.dtype, device=states.device)
    replaced = {name: value for name, _ in module.named_parameters()} | {"weight": value + weight}
    output: Tensor = functional_call(module, replaced, (states,))
    return output


def _shifts(module: nn.Module, rows: Tensor, zero: Tensor, shift: Tensor) -> bool:
    """Whether the bias, if there is one, is simply added."""
    if "bias" not in dict(module.named_parameters()):
        return True
    shifted = functional_call(module, {"weight": torch.zeros_like(shift), "bias": shift}, (rows,))
    return _close(shifted - zero, shift.expand_as(rows))


def _close(left: Tensor, right: Tensor) -> bool:
    scale = float(right.abs().max())
    return bool((left - right).abs().max() <= 1e-4 * scale)
