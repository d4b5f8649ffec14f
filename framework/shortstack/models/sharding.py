"""Models whose weights are divided among the processes of a run (FSDP2), which gather them layer by layer while they run.

A sharded parameter is a ``DTensor``: each process holds some of its rows. All processes must run a sharded model
together, as often as each other. Source: Zhao et al. 2023, PyTorch FSDP, arXiv 2304.11277.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from shortstack.models.decoder import Decoder

__all__ = [
    "OneByOne",
    "add_gradients",
    "gathered",
    "is_sharded",
    "kept_gathered",
    "local_part",
    "local_rows",
    "place_like",
    "shard_layers",
    "whole_copy",
    "whole_tree",
]


def shard_layers(model: PreTrainedModel, device: torch.device) -> None:
    """Divide the layers of a model that is not trained among all processes, in place.

    Embeddings, final norm and output matrix stay whole in every process: a pass needs them from its first layer to its
    losses. A layer is gathered when it runs, forwards or backwards, and freed afterwards.

    Args:
        model: A stock causal language model on the CPU or the device; its parameters then need no gradient.
        device: Device of this process, to which one layer after the other is moved.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    model.requires_grad_(False)
    for layer in Decoder.of(model).layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    for tensor in (*model.parameters(), *model.buffers()):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device)


def is_sharded(model: nn.Module) -> bool:
    """Return True if any weights of a model are divided among processes."""
    return any(isinstance(module, FSDPModule) for module in model.modules())


@contextmanager
def kept_gathered(layer: nn.Module) -> Iterator[None]:
    """Gather a layer inside the context, whatever runs it there; nothing is exchanged with other processes in between.

    Args:
        layer: Any module; one that is not sharded is left as it is.
    """
    if not isinstance(layer, FSDPModule):
        yield
        return
    _free(layer, after_a_pass=False)
    try:
        with gathered(layer):
            yield
    finally:
        _free(layer, after_a_pass=True)


def _free(layer: FSDPModule, *, after_a_pass: bool) -> None:
    layer.set_reshard_after_forward(after_a_pass, recurse=False)
    layer.set_reshard_after_backward(after_a_pass, recurse=False)


class OneByOne(Sequence[nn.Module]):
    """Layers that are divided among processes; the one that was read last is gathered."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Store the layers."""
        self._layers, self._open = layers, ExitStack()

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self._layers)

    @overload
    def __getitem__(self, index: int) -> nn.Module: ...
    @overload
    def __getitem__(self, index: slice) -> "OneByOne": ...
    def __getitem__(self, index: int | slice) -> "nn.Module | OneByOne":
        """Return a layer, gathered until the next one is read; or some layers as another such sequence."""
        if isinstance(index, slice):
            return OneByOne(self._layers[index])
        self.free()
        layer = self._layers[index]
        self._open.enter_context(gathered(layer))
        return layer

    def free(self) -> None:
        """Free the layer that was read last."""
        self._open.close()


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Gather what a sharded module holds outside its sharded parts, inside the context; these are gathered as they run.

    Args:
        model: Any module; one that is not sharded is left as it is.
    """
    if not isinstance(model, FSDPModule):
        yield
        return
    model.unshard()
    try:
        yield
    finally:
        model.reshard()


def add_gradients(model: nn.Module) -> None:
    """Let the gradients of all processes be added, as losses are divided by their counts over all processes already.

    A weight that one process does not use counts as 0 there: an expert that no token of its part is routed to.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(enable=True)  # gloo cannot multiply
            module.set_reduce_scatter_unused_params(reduce_scatter_unused_params=True, recurse=False)


@torch.no_grad()
def whole_tree(tree: Any) -> Any:
    """Return nested dicts and lists with every sharded tensor whole, on the CPU of the first process; None elsewhere.

    One tensor after the other is gathered, so that a device holds one of them whole. All processes call this together.
    """
    if isinstance(tree, Mapping):
        return {key: whole_tree(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [whole_tree(value) for value in tree]
    value = tree.full_tensor() if isinstance(tree, DTensor) else tree
    if not isinstance(value, Tensor):
        return value
    return value.detach().cpu() if torch.distributed.get_rank() == 0 else None


def whole_copy(model: PreTrainedModel) -> PreTrainedModel | None:
    """Return a stock model with the weights of a sharded one, to be saved, in the first process; None in the others.

    All processes call this together. The copy is on the CPU, and lacks the buffers that no file holds.
    """
    weights = whole_tree({id(p): p for p in model.parameters()})
    named = {name: weights.get(id(value), value) for name, value in model.state_dict(keep_vars=True).items()}
    if torch.distributed.get_rank():
        return None
    with torch.device("meta"):
        copied: PreTrainedModel = type(model)(copy.deepcopy(model.config))
    copied.load_state_dict(named, assign=True)
    copied.generation_config = model.generation_config
    copied.tie_weights()
    return copied


def place_like(value: Tensor, parameter: Tensor) -> Tensor:
    """Return this process's part of a tensor that every process holds, divided as a parameter is."""
    if not isinstance(parameter, DTensor):
        return value
    here = value.to(parameter.device)
    return distribute_tensor(here, parameter.device_mesh, parameter.placements, src_data_rank=None)


def local_part(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor, over the same memory; all of one that is not sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def local_rows(matrix: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places of some rows of a matrix in this process's part of it, and which of the rows these are.

    Args:
        matrix: ``(rows, width)``.
        rows: Indices of the rows, int64.

    Returns:
        Both int64, on the matrix's device.
    """
    rows = rows.to(matrix.device)
    if not isinstance(matrix, DTensor):
        return rows, torch.arange(len(rows), device=rows.device)
    own = local_part(place_like(torch.arange(len(matrix)), matrix))
    which = torch.isin(rows, own).nonzero()[:, 0]
    return rows[which] - own[:1], which  # the rows of a part follow one another
