"""A model at rest: evaluation mode, parameters frozen, random numbers set aside; all given back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel


@contextmanager
def at_rest(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode and no parameter gradients inside; whatever was before, afterwards, even after an error.

    Evaluation mode also turns off dropout and gradient checkpointing, which would fire inner hooks twice. The
    global random state of torch is restored too.
    """
    with torch.random.fork_rng(_cuda_devices(model)), _evaluating(model), _frozen(model):
        yield


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in training:
            module.training = flag


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad = True


def _cuda_devices(model: nn.Module) -> list[int]:
    return sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
