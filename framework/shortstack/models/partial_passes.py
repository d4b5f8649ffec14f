"""Running a model with some of its layers left out, or from the middle."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from shortstack.models.decoder import Decoder
from shortstack.models.layer_calls import entering, with_entering, with_leaving


@contextmanager
def skipping(decoder: Decoder, layers: Collection[int], bare: set[int]) -> Iterator[None]:
    """Inside, each of these layers passes its input through.

    A layer that returns a bare tensor need not be computed; one that returns a tuple is, because what else is in the
    tuple may be needed further up.

    Args:
        decoder: The model's layers.
        layers: Which to leave out.
        bare: Layers known to return a bare tensor; those that turn out to do so are added.
    """
    with ExitStack() as stack:
        for index in sorted(set(layers)):
            stack.enter_context(_passing_through(decoder.layers[index], index, bare))
        yield


@contextmanager
def starting_at(decoder: Decoder, layer: int, states: Tensor, bare: set[int]) -> Iterator[None]:
    """Inside, layers before ``layer`` are skipped, and ``states`` enter it instead of what they would have given."""

    def replace(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return with_entering(args, kwargs, states)

    handle = decoder.layers[layer].register_forward_pre_hook(replace, with_kwargs=True)
    try:
        with skipping(decoder, range(layer), bare):
            yield
    finally:
        handle.remove()


@contextmanager
def recording_input(decoder: Decoder, layer: int) -> Iterator[list[Tensor]]:
    """Inside, whatever enters ``layer`` is appended to the list."""
    seen: list[Tensor] = []

    def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(entering(args, kwargs))

    handle = decoder.layers[layer].register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


@contextmanager
def _passing_through(layer: nn.Module, index: int, bare: set[int]) -> Iterator[None]:
    before = vars(layer).get("forward")
    own: Callable[..., Any] = layer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        states = entering(args, kwargs)
        if index in bare:
            return states
        output = own(*args, **kwargs)
        if isinstance(output, Tensor):
            bare.add(index)
        return with_leaving(output, states)

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
        if before is not None:
            layer.forward = before
