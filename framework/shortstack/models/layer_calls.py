"""What goes into and comes out of one call of a decoder layer, whatever the family's signature."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

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


def leaving(output: Tensor | tuple[Any, ...]) -> Tensor:
    """The hidden states ``(batch, tokens, hidden)`` among what a layer returns: a tensor, or the first of a tuple."""
    return output[0] if isinstance(output, tuple) else output


def with_leaving(output: Tensor | tuple[Any, ...], states: Tensor) -> Tensor | tuple[Any, ...]:
    """The same return value with other hidden states."""
    return (states, *output[1:]) if isinstance(output, tuple) else states
