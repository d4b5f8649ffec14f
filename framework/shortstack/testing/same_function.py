"""Changes to a model's weights that preserve the function it computes, or only rename its tokens."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from shortstack.models.decoder import Decoder

_UP: Final = ("gate_proj", "up_proj", "gate_up_proj", "c_fc", "dense_h_to_4h", "fc1")
_DOWN: Final = ("down_proj", "dense_4h_to_h", "fc2")
_OUT: Final = ("o_proj", "out_proj")
_LINEAR: Final = {"silu": ("up_proj", "gate_up_proj"), "relu": ("fc1",)}
"""Activation → the matrices to whose output the MLP's result is proportional."""

SCALABLE: Final = ("llama", "mistral", "qwen2", "qwen3", "phi3", "opt", "olmo2")
"""Families whose neurons can be scaled up at the input and down at the output: gated ones, and those with ReLU."""

HEADED: Final = ("llama", "mistral", "qwen2", "qwen3", "opt")
"""Families whose heads can be reordered: each of queries, keys and values has a matrix of its own, and no weight per head."""


def permute_neurons(model: PreTrainedModel, seed: int) -> None:
    """Reorder the inner channels of every MLP, in all matrices alike; the function stays the same."""
    generator = torch.Generator().manual_seed(seed)
    for layer in Decoder.of(model).layers:
        views = [view for matrix in _matrices(layer, (*_UP, *_DOWN, "mlp.c_proj")) for view in matrix]
        order = torch.randperm(len(views[0]), generator=generator)
        for view in views:
            view.data.copy_(view.data[order].clone())


def rescale_neurons(model: PreTrainedModel, power: int) -> None:
    """Scale every second inner channel by ``2^power`` at the input and by ``2^-power`` at the output: exact."""
    kind = "relu" if model.config.model_type == "opt" else "silu"
    for layer in Decoder.of(model).layers:
        for matrix in _matrices(layer, _LINEAR[kind]):
            for view in matrix[-2:] if len(matrix) > 2 or kind == "relu" else matrix[-1:]:
                view.data[::2] *= 2.0**power
        for matrix in _matrices(layer, _DOWN):
            for view in matrix:
                view.data[::2] *= 2.0**-power


def permute_heads(model: PreTrainedModel, seed: int) -> None:
    """Reorder the heads of every attention, in all matrices alike; those that share keys and values stay together."""
    generator = torch.Generator().manual_seed(seed)
    for layer in Decoder.of(model).layers:
        attention: Any = layer.self_attn
        width = attention.head_dim
        groups = len(attention.k_proj.weight) // width
        shared = len(attention.q_proj.weight) // width // groups
        order = torch.randperm(groups, generator=generator)
        inner = torch.stack([torch.randperm(shared, generator=generator) for _ in range(groups)])
        queries = (order[:, None] * shared + inner).flatten()
        _reorder(_rows(attention.q_proj), queries, width)
        _reorder([*_rows(attention.k_proj), *_rows(attention.v_proj)], order, width)
        _reorder([next(getattr(attention, name) for name in _OUT if hasattr(attention, name)).weight.T], queries, width)


def relabel(model: PreTrainedModel, batches: list[dict[str, Tensor]], seed: int) -> list[dict[str, Tensor]]:
    """Permute the token ids, in the model's rows and in the batches: only the names change."""
    embeddings = model.get_input_embeddings().weight
    order = torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(seed))
    rows = {id(w): w for w in (embeddings, model.get_output_embeddings().weight)}
    for weight in rows.values():
        weight.data[order] = weight.data.clone()
    return [_renamed(batch, order) for batch in batches]


def _renamed(batch: Mapping[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    labels = batch["labels"]
    new = torch.where(labels < 0, labels, order[labels.clamp_min(0)])
    return {**batch, "input_ids": order[batch["input_ids"]], "labels": new}


def _rows(module: Any) -> list[Tensor]:
    return [module.weight] if module.bias is None else [module.weight, module.bias]


def _reorder(views: list[Tensor], order: Tensor, width: int) -> None:
    """Reorder the blocks of ``width`` rows of some matrices, in place."""
    for view in views:
        view.data.copy_(view.data.unflatten(0, (-1, width))[order].flatten(0, 1))


def _matrices(layer: nn.Module, names: tuple[str, ...]) -> Iterator[list[Tensor]]:
    """Yield the named matrices of a layer, each as views with one row per inner channel (biases are such views too)."""
    for path, module in layer.named_modules():
        if path.rpartition(".")[2] in names or path in names:
            yield list(_by_channel(path.rpartition(".")[2], module))


def _by_channel(name: str, module: Any) -> Iterator[Tensor]:
    weight = module.weight.T if isinstance(module, Conv1D) else module.weight  # (out, in)
    if name not in _UP:
        yield weight.T
        return
    halves = 2 if name == "gate_up_proj" else 1
    yield from weight.chunk(halves)
    if module.bias is not None:
        yield from module.bias.chunk(halves)
