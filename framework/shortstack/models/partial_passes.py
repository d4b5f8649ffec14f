"""Running a model with some of its layers left out, or from the middle."""

from collections.abc import Callable, Collection, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from shortstack.models.decoder import Decoder
from shortstack.models.layer_calls import LayerOutput, entering, is_alone, with_entering, with_leaving

Bare = dict[int, LayerOutput]
"""Layers known to hand on hidden states alone, with what they return, which is to be filled with states."""


@contextmanager
def skipping(decoder: Decoder, layers: Collection[int], bare: Bare | None = None) -> Iterator[None]:
    """Inside, each of these layers passes its input through.

    A layer that hands on hidden states alone need not be computed; one that returns more, or leaves something in a
    mapping that it was given, is, because that may be needed further up.

    Args:
        decoder: The model's layers.
        layers: Which to leave out.
        bare: Layers known to hand on hidden states alone; those that turn out to do so are added, left out or not.
    """
    bare = {} if bare is None else bare
    with ExitStack() as stack:
        for index, layer in enumerate(decoder.layers):
            if index in layers or index not in bare:
                stack.enter_context(_noting(layer, index, bare, skipped=index in layers))
        yield


@contextmanager
def starting_at(decoder: Decoder, layer: int, states: Tensor, bare: Bare) -> Iterator[None]:
    """Inside, layers before ``layer`` are skipped, and ``states`` enter it instead of what they would have given.

    Nothing else of what they would have given is there, so all of them must be among ``bare``.
    """

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
def _noting(layer: nn.Module, index: int, bare: Bare, *, skipped: bool) -> Iterator[None]:
    """Inside, a layer is added to ``bare`` if it is, and passes its input through if it is ``skipped``."""
    before = vars(layer).get("forward")
    own: Callable[..., Any] = layer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        states = entering(args, kwargs)
        if skipped and index in bare:
            return with_leaving(bare[index], states)
        held = _held(args, kwargs)
        output = own(*args, **kwargs)
        if is_alone(output) and held == _held(args, kwargs):
            bare[index] = with_leaving(output, states.new_empty(0))
        return with_leaving(output, states) if skipped else output

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
        if before is not None:
            layer.forward = before


def _held(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[Any, int]]:
    """What the mappings among a layer's arguments hold: in them it may hand on keys and values, as in Gemma 3n."""
    mappings = [value for value in (*args, *kwargs.values()) if isinstance(value, MutableMapping)]
    return [{key: id(value) for key, value in mapping.items()} for mapping in mappings]
