"""Checks that a student can be built from a teacher, and a digest that identifies a model."""

import hashlib

import torch
from transformers import PreTrainedModel

from shortstack.errors import NonFiniteError, UnsupportedModelError

_HALVES = frozenset({"encoder_layers", "decoder_layers", "num_encoder_layers", "num_decoder_layers"})


def require_ready_teacher(teacher: object) -> None:
    """Raise if a model's layers are not plain tensors in plain modules; the message says what to do first.

    Raises:
        UnsupportedModelError: It is compiled, LoRA-wrapped, quantised, spread over devices, or no decoder-only model.
        NonFiniteError: A weight is NaN.
    """
    if isinstance(teacher, torch.nn.Module):
        _refuse_wrapped(teacher)
    if not isinstance(teacher, PreTrainedModel):
        raise UnsupportedModelError(f"a teacher is a transformers causal language model, got {type(teacher).__name__}")
    name, config = type(teacher).__name__, teacher.config
    if config.is_encoder_decoder:
        raise UnsupportedModelError(
            f"{name} ({config.model_type}) is an encoder-decoder; use a decoder-only causal model"
        )
    halves = _HALVES & config.to_dict().keys()
    if len(halves) > 1:
        raise UnsupportedModelError(
            f"{name} ({config.model_type}) is one half of an encoder-decoder: its config counts the layers of both "
            f"({' and '.join(sorted(halves))}); use a decoder-only causal model"
        )
    if not teacher.can_generate() or teacher.get_output_embeddings() is None:
        raise UnsupportedModelError(
            f"{name} ({config.model_type}) is no causal language model; load it with its output head"
        )
    if config.to_dict().get("quantization_config") or not all(p.is_floating_point() for p in teacher.parameters()):
        raise UnsupportedModelError(f"{name} is quantised; load or dequantise it to a floating-point dtype first")
    devices = sorted({str(p.device) for p in teacher.parameters()})
    if len(devices) > 1 or "meta" in devices:
        raise UnsupportedModelError(f"{name} lies on {' and '.join(devices)}; load all of it onto one device first")
    for path, parameter in teacher.named_parameters():
        if bool(parameter.isnan().any()):
            raise NonFiniteError(f"the teacher's {path} holds NaN; a student of it would be as useless")


def _refuse_wrapped(teacher: torch.nn.Module) -> None:
    for path, module in teacher.named_modules():
        package = type(module).__module__
        if package.startswith("torch._dynamo"):
            raise UnsupportedModelError(f"{path or 'the teacher'} is compiled; pass the model before torch.compile")
        if package.split(".")[0] == "peft":
            raise UnsupportedModelError(
                f"{path or 'the teacher'} is {type(module).__name__} of peft; merge the adapter first (merge_and_unload)"
            )
        if "_hf_hook" in vars(module):
            raise UnsupportedModelError(
                f"{path or 'the teacher'} is device-mapped by accelerate; load it onto one device first"
            )


def identity(model: PreTrainedModel) -> str:
    """Return a SHA-256 digest of the names, types, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
