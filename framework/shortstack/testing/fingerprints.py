"""Fingerprints of a model, which show what a component changed in it."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from shortstack.testing.shared import shared_settings


def fingerprint(model: PreTrainedModel) -> Mapping[str, object]:
    """Return the observable state of a model and of what the process shares, as plain values by name."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    facts: dict[str, object] = {f"the weight {name}": _bytes(tensor) for name, tensor in tensors.items()}
    for name, parameter in model.named_parameters():
        facts[f"requires_grad of {name}"] = parameter.requires_grad
        facts[f"the gradient of {name}"] = None if parameter.grad is None else _bytes(parameter.grad)
    for name, module in model.named_modules():
        facts[f"the mode of {name or 'the model'}"] = module.training
        facts[f"the hooks of {name or 'the model'}"] = _hooks(module)
        facts[f"forward of {name or 'the model'}"] = "forward" in vars(module)
    facts["the config"] = repr(sorted(model.config.to_dict().items(), key=str))
    facts["the attention implementation"] = model.config._attn_implementation  # noqa: SLF001 -- its only name
    # named_parameters lists a tied tensor once, state_dict under each of its names
    facts["which weights are tied"] = tuple(sorted(model.state_dict().keys() - tensors.keys()))
    facts["torch's random state"] = torch.get_rng_state().numpy().tobytes()
    facts["numpy's random state"] = repr(np.random.get_state())  # noqa: NPY002 -- the legacy state is the global one
    facts["Python's random state"] = random.getstate()
    facts |= shared_settings()
    return facts


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return the names of the entries that differ."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def _bytes(tensor: torch.Tensor) -> tuple[object, ...]:
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return tensor.dtype, tuple(tensor.shape), plain.view(torch.uint8).numpy().tobytes()


def _hooks(module: nn.Module) -> int:
    kept = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(vars(module)[name]) for name in kept)
