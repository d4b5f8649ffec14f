"""Costs of each layer of a model: parameters, bytes on disk, bytes of cache per token; without weights."""

import copy
from collections.abc import Mapping
from contextlib import suppress

import torch
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from shortstack.boundaries import in_one_line
from shortstack.config.budget import Cost
from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack.models.parameters import count_parameters

TOKENS = (1, 2)
"""Numbers of tokens that a cache is filled with to measure its growth per token; within any attention window."""


def costs_of(
    config: PreTrainedConfig, *, dtype: torch.dtype | None = None, teacher: Mapping[str, Cost] | None = None
) -> dict[str, Cost]:
    """Return a model's costs by measure: ``parameters``, ``body_parameters``, ``bytes``, ``cache_bytes``.

    Args:
        config: Config of a decoder-only causal language model.
        dtype: The type of the weights and of the cache; by default the config's, or else float32.
        teacher: Costs of the model that shares are relative to; by default this one's.

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
    """Return a model of this config and type on the meta device: shapes without weights.

    Raises:
        UnsupportedModelError: No causal language model is made of such a config.
    """
    try:
        with torch.device("meta"), no_init_weights():
            model: PreTrainedModel = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype)
        model.tie_weights()  # no_init_weights skips the tying as well
    except Exception as error:  # each family computes with the values of its config before it looks at them
        place = f" in {config.name_or_path}" if config.name_or_path else ""
        raise UnsupportedModelError(
            f"no causal language model is made of a config of type {config.model_type!r}{place}: {in_one_line(error)}"
        ) from error
    return model.eval()


def _bytes_on_disk(model: PreTrainedModel) -> Cost:
    """Return the bytes that ``save_pretrained`` writes: parameters, shared storage once, and persistent buffers."""
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
    """Return the bytes by which each layer's cache grows per token within its window; recurrent states do not grow."""
    model.config.get_text_config().pad_token_id = (
        None  # the warning about it reads token values, which meta has none of
    )
    with suppress(ValueError):
        model.set_experts_implementation("batched_mm")  # the others read how many tokens each expert gets
    few, more = (_filled(model, tokens) for tokens in TOKENS)
    if few is None or more is None or len(few) != len(more):
        return None
    layers = len(Decoder.of(model).layers)
    grown = [(b - a) / (TOKENS[1] - TOKENS[0]) for a, b in zip(few, more, strict=True)]
    return Cost(layers=[int(size) for size in grown]) if len(grown) == layers else None


def _filled(model: PreTrainedModel, tokens: int) -> list[int] | None:
    """Return the bytes of each layer's cache after some tokens; None where shapes alone do not determine it."""
    ids = torch.zeros((1, tokens), dtype=torch.long, device="meta")
    try:
        with torch.no_grad():
            cache = model(input_ids=ids, use_cache=True).get("past_key_values")
    except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError):
        return None  # the family's forward pass depends on values, which the meta device does not have
    if not isinstance(cache, DynamicCache):
        return None
    return [
        _size([value for value in vars(layer).values() if isinstance(value, torch.Tensor)]) for layer in cache.layers
    ]
