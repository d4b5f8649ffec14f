"""Hearing the attention weights that modules return beside their output, where no interface shows them."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from shortstack.models.ghost_norms import wide

Listener = Callable[[Tensor, Tensor], None]
"""Called with weights ``(batch, heads, queries, keys)`` and bool visibility, broadcastable to them."""


@contextmanager
def hearing_returned(model: nn.Module, listener: Listener) -> Iterator[None]:
    """Inside, ``listener`` is told the weights of every module that returns ``(output, weights)``, as soon as it does.

    A module that hands on what a module inside it returned is not heard again. What a query may see is what any head of
    it looked at: softmax gives an exact 0 to what is masked.
    """
    hear = _Hearing(listener)
    with ExitStack() as stack:
        for module in model.modules():
            if any(module.children()):
                stack.callback(module.register_forward_hook(hear).remove)
        yield


class _Hearing:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._last: weakref.ref[Tensor] | None = None

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> None:
        weights = _weights(output)
        if weights is None or (self._last is not None and self._last() is weights):
            return
        self._last = weakref.ref(weights)
        seen = wide(weights.detach())
        self._listener(seen, (seen > 0).any(1, keepdim=True))


def _weights(output: Any) -> Tensor | None:
    """The ``(batch, heads, tokens, tokens)`` after hidden states ``(batch, tokens, hidden)``."""
    parts = output[:2] if isinstance(output, tuple) else ()
    if [part.dim() for part in parts if isinstance(part, Tensor)] != [3, 4]:
        return None
    states, weights = parts
    batch, tokens, _ = states.shape
    return weights if (len(weights), *weights.shape[2:]) == (batch, tokens, tokens) else None
