"""Forward passes that skip layers or start in the middle: on shared-weight copies, which leave the model unchanged."""

from collections.abc import Callable, Collection, MutableMapping
from typing import Any

from torch import Tensor, nn

from shortstack.models.decoder import Decoder
from shortstack.models.layer_calls import LayerOutput, entering, is_alone, with_entering, with_leaving

Bare = dict[int, LayerOutput]
"""Layers known to return hidden states alone, with a return value of theirs in which the states are to be replaced."""


def skipping(decoder: Decoder, layers: Collection[int], bare: Bare | None = None) -> Decoder:
    """Return a shared-weight copy in which each of these layers passes its input through.

    A layer that returns hidden states alone is not computed; one that returns more, or writes to a mapping among its
    arguments, is, because later layers may need that.

    Args:
        decoder: The model's layers; they stay as they are.
        layers: Indices of the layers to skip.
        bare: Layers known to return hidden states alone; those found to do so are added, skipped or not.
    """
    bare = {} if bare is None else bare
    noted = [index for index in range(len(decoder.layers)) if index in layers or index not in bare]
    double = decoder.copied_modules(noted)
    for index in noted:
        _note(double.layers[index], index, bare, skipped=index in layers)
    return double


def starting_at(decoder: Decoder, layer: int, states: Tensor, bare: Bare) -> Decoder:
    """Return a shared-weight copy that skips the layers before ``layer`` and feeds ``states`` to it.

    Other return values of the skipped layers are missing, so all of them must be in ``bare``.
    """

    def replace(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return with_entering(args, kwargs, states)

    double = skipping(decoder.copied_modules([layer]), range(layer), bare)
    double.layers[layer].register_forward_pre_hook(replace, with_kwargs=True)
    return double


def recording_input(decoder: Decoder, layer: int) -> tuple[Decoder, list[Tensor]]:
    """Return a shared-weight copy, and a list to which the hidden states entering its ``layer`` are appended."""
    seen: list[Tensor] = []

    def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(entering(args, kwargs))

    double = decoder.copied_modules([layer])
    double.layers[layer].register_forward_pre_hook(record, with_kwargs=True)
    return double, seen


def _note(layer: nn.Module, index: int, bare: Bare, *, skipped: bool) -> None:
    """Patch a layer's ``forward`` to record if the layer is bare, and to pass its input through if ``skipped``."""
    original: Callable[..., Any] = layer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        states = entering(args, kwargs)
        if skipped and index in bare:
            return with_leaving(bare[index], states)
        held = _held(args, kwargs)
        output = original(*args, **kwargs)
        if is_alone(output) and held == _held(args, kwargs):  # it left nothing for later layers in a mapping either
            bare[index] = with_leaving(output, states.new_empty(0))
        return with_leaving(output, states) if skipped else output

    layer.forward = forward


def _held(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[Any, int]]:
    """Return the identities in mappings among a layer's arguments: Gemma 3n passes keys and values in them."""
    mappings = [value for value in (*args, *kwargs.values()) if isinstance(value, MutableMapping)]
    return [{key: id(value) for key, value in mapping.items()} for mapping in mappings]
