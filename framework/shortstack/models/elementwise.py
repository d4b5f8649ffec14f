"""Modules that scale and shift each channel: every kind of layer norm, recognised by its behaviour."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from shortstack.models.ghost_norms import wide

_SMALLEST = 1e-20
"""Smallest usable scale: products with smaller ones are near the smallest float32, where digits are lost."""


def may_be_elementwise(module: nn.Module) -> bool:
    """Return True if a module's parameters have the names and shapes of a scale, and perhaps a shift, per channel.

    >>> may_be_elementwise(nn.LayerNorm(4)), may_be_elementwise(nn.Linear(4, 4))
    (True, False)
    """
    parameters = dict(module.named_parameters())
    shapes = {tuple(p.shape) for p in parameters.values()}
    return (
        "weight" in parameters and set(parameters) <= {"weight", "bias"} and len(shapes) == 1 and len(shapes.pop()) == 1
    )


def unit_weight(module: nn.Module, states: Tensor) -> float | None:
    """Return the weight under which a module's output is unscaled: 1, or 0 for one that scales by ``1 + w``.

    Determined by a trial: with ``f(w)`` the output without shift, a scale of channels has
    ``f(v) − f(0) = v ⊙ (f(1) − f(0))`` for any ``v``.

    Args:
        module: A module that ``may_be_elementwise``.
        states: Input of the module, ``(…, width)``; the trial uses synthetic rows, for a padded row may be all 0.

    Returns:
        None if the module does anything else with its parameters.

    >>> unit_weight(nn.LayerNorm(4), torch.zeros(1, 4))
    1.0
    """
    width = int(module.get_parameter("weight").numel())
    if states.shape[-1] != width:
        return None
    # deterministic rows that differ in every channel
    rows = torch.arange(1, 4 * width + 1, device=states.device).sin().reshape(4, width).to(wide(states.detach()[:0]))
    at_zero, at_one = _scaled(module, rows, 0.0), _scaled(module, rows, 1.0)
    uneven = torch.arange(width, device=rows.device).cos().to(rows)
    if at_one.shape != rows.shape or not _close(_scaled(module, rows, uneven) - at_zero, uneven * (at_one - at_zero)):
        return None
    if not _shifts(module, rows, at_zero, uneven):
        return None
    if not at_zero.any():
        return 1.0
    return 0.0 if _close(at_zero, at_one - at_zero) else None


def normalised(module: nn.Module, states: Tensor, unit: float) -> Tensor:
    """Return the normalised states that the weight multiplies, ``(…, width)``, in float32 or wider."""
    return _scaled(module, wide(states), unit)


def scale_of(module: nn.Module, unit: float) -> Tensor | None:
    """Return the factor of each channel, float64 ``(width,)``, if dividing the output by it loses no precision.

    Args:
        module: A module that scales channels.
        unit: See ``unit_weight``.

    Returns:
        None if there is a shift, a scale near 0, or an output rounded to half precision.
    """
    weight = module.get_parameter("weight").detach()
    scale = weight.double() + (1 - unit)
    exact = "bias" not in dict(module.named_parameters()) and weight.dtype in {torch.float32, torch.float64}
    return scale if exact and bool((scale.abs() > _SMALLEST).all()) else None


def _scaled(module: nn.Module, states: Tensor, weight: float | Tensor) -> Tensor:
    """Return the output under another weight and without the shift."""
    value = torch.zeros(module.get_parameter("weight").shape, dtype=states.dtype, device=states.device)
    replaced = {name: value for name, _ in module.named_parameters()} | {"weight": value + weight}
    output: Tensor = functional_call(module, replaced, (states,))
    return output


def _shifts(module: nn.Module, rows: Tensor, zero: Tensor, shift: Tensor) -> bool:
    """Return True if the bias is simply added, or there is none."""
    if "bias" not in dict(module.named_parameters()):
        return True
    shifted = functional_call(module, {"weight": torch.zeros_like(shift), "bias": shift}, (rows,))
    return _close(shifted - zero, shift.expand_as(rows))


def _close(left: Tensor, right: Tensor) -> bool:
    scale = float(right.abs().max())
    return bool((left - right).abs().max() <= 1e-4 * scale)
