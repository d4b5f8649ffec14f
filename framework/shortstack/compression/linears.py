"""The linear modules of a decoder layer, which compression methods act on; GPT-2's ``Conv1D`` is one, transposed."""

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from shortstack.errors import UnsupportedModelError


def require_linear(layer: nn.Module, family: str) -> None:
    """Raise if a matrix of a layer belongs to no linear module: it would be left uncompressed without a word.

    Args:
        layer: A decoder layer.
        family: The model's class, for the message.

    Raises:
        UnsupportedModelError: One does, such as the experts of a mixture, which are one tensor of three dimensions.
    """
    of_linears = {id(module.weight) for module in layer.modules() if type(module) in {nn.Linear, Conv1D}}
    matrices = [
        name for name, parameter in layer.named_parameters() if parameter.ndim > 1 and id(parameter) not in of_linears
    ]
    if matrices:
        raise UnsupportedModelError(
            f"the weights {matrices[0]} in a layer of {family} are no matrix of a linear module, so the layer cannot be "
            "compressed; leave the model out of evaluation.compressed"
        )


def linears_of(layer: nn.Module) -> dict[str, nn.Linear]:
    """Return a layer's linear modules by name, each ``Conv1D`` as an equal linear module of its own."""
    named = {name: module for name, module in layer.named_modules() if type(module) in {nn.Linear, Conv1D}}
    return {name: module if isinstance(module, nn.Linear) else _of_conv1d(module) for name, module in named.items()}


def put_in_place(layer: nn.Module, modules: dict[str, nn.Module]) -> None:
    """Put modules into a layer under their names."""
    for name, module in modules.items():
        layer.set_submodule(name, module)


def _of_conv1d(conv: Conv1D) -> nn.Linear:
    """Return the linear module with the function of a ``Conv1D``, whose weight is ``(inputs, outputs)``."""
    linear = unfilled(*conv.weight.shape, bias=True, like=conv.weight)
    linear.weight.data.copy_(conv.weight.T)
    linear.bias.data.copy_(conv.bias)
    return linear


def unfilled(inputs: int, outputs: int, *, bias: bool, like: torch.Tensor) -> nn.Linear:
    """Return a linear module in a tensor's dtype and on its device, whose weights are not drawn yet."""
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias, device=like.device, dtype=like.dtype)
    return linear.eval()
