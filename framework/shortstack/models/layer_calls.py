"""What goes into and comes out of one call of a decoder layer, whatever the family's signature."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from shortstack.errors import UnsupportedModelError

HIDDEN = "hidden_states"
"""What every family calls the argument that carries the hidden states."""


def entering(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The hidden states ``(batch, tokens, hidden)`` that a layer is called with."""
    states: Tensor = args[0] if args else kwargs[HIDDEN]
    return states


def with_entering(
    args: tuple[Any, ...], kwargs: dict[str, Any], states: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments with other hidden states."""
    if args:
        return (states, *args[1:]), kwargs
    return args, {**kwargs, HIDDEN: states}


LayerOutput = Tensor | tuple[Any, ...] | list[Any]
"""What a layer returns: hidden states ``(batch, tokens, hidden)``, alone or first of several things."""


def leaving(output: LayerOutput) -> Tensor:
    """The hidden states among what a layer returns.

    Raises:
        UnsupportedModelError: They are neither it nor its first part.
    """
    states = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(states, Tensor):
        raise UnsupportedModelError(f"a layer gives {type(output).__name__}, not its hidden states")
    return states


def beside(output: LayerOutput) -> dict[int, Tensor]:
    """What else is differentiable in it, by its place."""
    parts = output if isinstance(output, tuple | list) else ()
    return {
        place: part for place, part in enumerate(parts) if place and isinstance(part, Tensor) and part.requires_grad
    }


def with_views_beside(output: LayerOutput) -> LayerOutput:
    """The same return value, what else is differentiable in it as views of it.

    The gradient of such a view is of what layers above make of it, and not of what the layer itself did: attention weights,
    which some families return, have their part in the hidden states too.
    """
    parts = beside(output)
    if not parts or type(output) not in {tuple, list}:
        return output
    return type(output)(parts[place].view_as(part) if place in parts else part for place, part in enumerate(output))


def is_alone(output: LayerOutput) -> bool:
    """Whether there is nothing in it but the hidden states."""
    return isinstance(output, Tensor) or all(part is None for part in output[1:])


def with_leaving(output: LayerOutput, states: Tensor) -> LayerOutput:
    """The same return value with other hidden states.

    Raises:
        UnsupportedModelError: What else is in it has names, and so a meaning that is unknown here.
    """
    if isinstance(output, tuple) and type(output) is not tuple:
        raise UnsupportedModelError(f"a layer returns {type(output).__name__}, whose hidden states are not known")
    return states if isinstance(output, Tensor) else type(output)((states, *output[1:]))
