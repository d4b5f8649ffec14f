"""What each layer of a model costs: parameters, bytes on disk, bytes of cache a token; without weights."""

import copy
from collections.abc import Mapping
from contextlib import suppress

import torch
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from shortstack.config.budget import Cost
from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack.models.parameters import count_parameters

TOKENS = (1, 2)
"""How far a cache is filled to see by how much it grows with a token; within any window."""


def costs_of(
    config: PreTrainedConfig, *, dtype: torch.dtype | None = None, teacher: Mapping[str, Cost] | None = None
) -> dict[str, Cost]:
    """What a model of this config costs, by measure: ``parameters``, ``body_parameters``, ``bytes``, ``cache_bytes``.

    Args:
        config: Of a decoder-only causal language model.
        dtype: The type of the weights and of the cache; by default the config's, or else float32.
        teacher: The costs of another model, of which a share is a share; by default this one's.

    Returns:
        ``cache_bytes`` is left out where the family's cache cannot be filled without weights.

    Raises:
        UnsupportedModelError: The model has no one list of layers.
    """
    dtype = dtype or config.get_text_config().dtype or torch.float32
    model = outlined(config, dtype)
    count = count_parameters(model)
    costs = {
        "parameters": Cost(layers=count.layers, fixed=count.fixed),
        "body_parameters": Cost(layers=count.layers, fixed=count.other),
        "bytes": _bytes_on_disk(model),
    }
    cache = _cache(model)
    if cache is not None:
        costs["cache_bytes"] = cache
    whole = {name: cost.teacher for name, cost in (teacher or {}).items()}
    return {name: Cost(layers=cost.layers, fixed=cost.fixed, whole=whole.get(name)) for name, cost in costs.items()}


def outlined(config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """A model of this config and type on the meta device: shapes without weights.

    Raises:
        UnsupportedModelError: No causal language model is made of such a config.
    """
    try:
        with torch.device("meta"), no_init_weights():
            model: PreTrainedModel = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype)
    except ValueError as error:
        raise UnsupportedModelError(
            f"no causal language model is made of a config of type {config.model_type!r}: {' '.join(str(error).split())[:150]}"
        ) from error
    model.tie_weights()  # which is left out with the values of the weights
    return model.eval()


def _bytes_on_disk(model: PreTrainedModel) -> Cost:
    """What ``save_pretrained`` writes: parameters, shared storage once, and the buffers that are kept."""
    decoder = Decoder.of(model)
    inside = {id(tensor) for tensor in _stored(decoder.layers)}
    outside = [tensor for tensor in _stored(model) if id(tensor) not in inside]
    return Cost(layers=[_size(_stored(layer)) for layer in decoder.layers], fixed=_size(outside))


def _stored(module: nn.Module) -> list[torch.Tensor]:
    buffers = [
        (owner, name, tensor) for owner in module.modules() for name, tensor in owner.named_buffers(recurse=False)
    ]
    kept = [tensor for owner, name, tensor in buffers if name not in owner._non_persistent_buffers_set]  # noqa: SLF001 -- its only name
    return [*module.parameters(), *kept]


def _size(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _cache(model: PreTrainedModel) -> Cost | None:
    """By how many bytes each layer's cache grows with a token while it is within its window; states do not grow."""
    model.config.get_text_config().pad_token_id = None  # a warning about it looks at the tokens
    with suppress(ValueError):
        model.set_experts_implementation("batched_mm")  # the others count how many tokens each expert gets
    few, more = (_filled(model, tokens) for tokens in TOKENS)
    if few is None or more is None or len(few) != len(more):
        return None
    layers = len(Decoder.of(model).layers)
    grown = [(b - a) / (TOKENS[1] - TOKENS[0]) for a, b in zip(few, more, strict=True)]
    return Cost(layers=[int(size) for size in grown]) if len(grown) == layers else None


def _filled(model: PreTrainedModel, tokens: int) -> list[int] | None:
    """Bytes of each layer's cache after some tokens; None where it cannot be told from shapes."""
    ids = torch.zeros((1, tokens), dtype=torch.long, device="meta")
    try:
        with torch.no_grad():
            cache = model(input_ids=ids, use_cache=True).get("past_key_values")
    except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError):
        return None  # something in the family's forward pass looks at values
    if not isinstance(cache, DynamicCache):
        return None
    return [
        _size([value for value in vars(layer).values() if isinstance(value, torch.Tensor)]) for layer in cache.layers
    ]
