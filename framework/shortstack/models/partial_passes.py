"""Running a model with some of its layers left out, or from the middle: in doubles, which leave the model as it is."""

from collections.abc import Callable, Collection, MutableMapping
from typing import Any

from torch import Tensor, nn

from shortstack.models.decoder import Decoder
from shortstack.models.layer_calls import LayerOutput, entering, is_alone, with_entering, with_leaving

Bare = dict[int, LayerOutput]
"""Layers known to hand on hidden states alone, with what they return, which is to be filled with states."""


def skipping(decoder: Decoder, layers: Collection[int], bare: Bare | None = None) -> Decoder:
    """A double of which each of these layers passes its input through.

    A layer that hands on hidden states alone need not be computed; one that returns more, or leaves something in a
    mapping that it was given, is, because that may be needed further up.

    Args:
        decoder: The model's layers; they stay as they are.
        layers: Which to leave out.
        bare: Layers known to hand on hidden states alone; those that turn out to do so are added, left out or not.
    """
    bare = {} if bare is None else bare
    noted = [index for index in range(len(decoder.layers)) if index in layers or index not in bare]
    double = decoder.copied_modules(noted)
    for index in noted:
        _note(double.layers[index], index, bare, skipped=index in layers)
    return double


def starting_at(decoder: Decoder, layer: int, states: Tensor, bare: Bare) -> Decoder:
    """A double of which layers before ``layer`` are skipped, and ``states`` enter it instead of what they would have given.

    Nothing else of what they would have given is there, so all of them must be among ``bare``.
    """

    def replace(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return with_entering(args, kwargs, states)

    double = skipping(decoder.copied_modules([layer]), range(layer), bare)
    double.layers[layer].register_forward_pre_hook(replace, with_kwargs=True)
    return double


def recording_input(decoder: Decoder, layer: int) -> tuple[Decoder, list[Tensor]]:
    """A double, and a list to which whatever enters ``layer`` of it is appended."""
    seen: list[Tensor] = []

    def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(entering(args, kwargs))

    double = decoder.copied_modules([layer])
    double.layers[layer].register_forward_pre_hook(record, with_kwargs=True)
    return double, seen


def _note(layer: nn.Module, index: int, bare: Bare, *, skipped: bool) -> None:
    """From now on, a layer is added to ``bare`` if it is, and passes its input through if it is ``skipped``."""
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


def _held(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[Any, int]]:
    """What the mappings among a layer's arguments hold: in them it may hand on keys and values, as in Gemma 3n."""
    mappings = [value for value in (*args, *kwargs.values()) if isinstance(value, MutableMapping)]
    return [{key: id(value) for key, value in mapping.items()} for mapping in mappings]
