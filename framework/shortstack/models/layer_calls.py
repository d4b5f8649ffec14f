"""Inputs and outputs of one decoder layer call, whatever the family's signature."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from shortstack.errors import UnsupportedModelError

HIDDEN = "hidden_states"
"""Name of the argument that carries the hidden states in every family."""


def entering(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Return the hidden states ``(batch, tokens, hidden)`` that a layer is called with.

    >>> entering((), {"hidden_states": "states", "use_cache": False})
    'states'
    """
    states: Tensor = args[0] if args else kwargs[HIDDEN]
    return states


def with_entering(
    args: tuple[Any, ...], kwargs: dict[str, Any], states: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the same arguments with other hidden states.

    >>> with_entering(("states", "mask"), {}, "others")
    (('others', 'mask'), {})
    """
    if args:
        return (states, *args[1:]), kwargs
    return args, {**kwargs, HIDDEN: states}


LayerOutput = Tensor | tuple[Any, ...] | list[Any]
"""Return value of a layer: hidden states ``(batch, tokens, hidden)``, alone or first of several values."""


def leaving(output: LayerOutput) -> Tensor:
    """Return the hidden states in a layer's return value.

    Raises:
        UnsupportedModelError: Neither the value nor its first element is a tensor.
    """
    states = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(states, Tensor):
        raise UnsupportedModelError(f"a layer gives {type(output).__name__}, not its hidden states")
    return states


def beside(output: LayerOutput) -> dict[int, Tensor]:
    """Return the other differentiable tensors of a layer's return value, by position."""
    parts = output if isinstance(output, tuple | list) else ()
    return {
        place: part for place, part in enumerate(parts) if place and isinstance(part, Tensor) and part.requires_grad
    }


def with_views_beside(output: LayerOutput) -> LayerOutput:
    """Return the same value with its other differentiable tensors replaced by views.

    A view's gradient holds only the use that later layers make of the tensor, not the layer's own: attention weights,
    which some families return, contribute to the hidden states too.
    """
    parts = beside(output)
    if not parts or type(output) not in {tuple, list}:
        return output
    return type(output)(parts[place].view_as(part) if place in parts else part for place, part in enumerate(output))


def is_alone(output: LayerOutput) -> bool:
    """Return True if a layer returns nothing but the hidden states.

    >>> is_alone(("states", None)), is_alone(("states", "weights"))
    (True, False)
    """
    return isinstance(output, Tensor) or all(part is None for part in output[1:])


def with_leaving(output: LayerOutput, states: Tensor) -> LayerOutput:
    """Return the same value with other hidden states.

    Raises:
        UnsupportedModelError: The value is a named tuple, whose other fields have an unknown meaning.
    """
    if isinstance(output, tuple) and type(output) is not tuple:
        raise UnsupportedModelError(f"a layer returns {type(output).__name__}, whose hidden states are not known")
    return states if isinstance(output, Tensor) else type(output)((states, *output[1:]))
