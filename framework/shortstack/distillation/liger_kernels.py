"""Liger's kernels in a training: norms, rotary positions and gated MLPs computed by fewer and larger kernels.

Losses are computed as ever, not by Liger. Before a training a short text is computed with and without the kernels, since
Liger's patches do not look at a model's config.

Source: Hsu et al. 2024, Liger Kernel, arXiv 2410.10989.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.distillation.liger_patches import LigerKernels, line_of, named, replaced_by_liger
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack.models.decoder import model_inputs
from shortstack.models.initial import as_if_trained
from shortstack.models.shared_weights import copied_modules

NO_NORMS: Final = (
    "gradient norms of single losses take a backward pass each, and Liger's kernels overwrite what they read in the first; choose "
    "another balancing than 'gradnorm' and leave out log_gradient_norms, or leave out kernels"
)
"""Why gradient norms are refused: the second backward pass would give wrong gradients, without an error."""


def liger_kernels(model: PreTrainedModel, *, learns: bool) -> LigerKernels:
    """Return Liger's kernels for a model, after a pass with and without them that must agree.

    Args:
        model: Not modified. On the device that it is trained on.
        learns: Gradients must agree as well.

    Raises:
        UnsupportedModelError: Liger does not know the family, replaces nothing, fails, or gives other numbers: its
            patches do not look at the config, so a model with another activation would run theirs.
        ConfigurationError: A module has a forward pass of its own, which Liger's would replace.
    """
    require_family(model.config)
    found = replaced_by_liger(model)
    if not found.replaced:
        raise UnsupportedModelError(f"Liger replaces nothing in {named(model)}; leave out kernels")
    for module in found.modules:
        if "forward" in vars(module):
            raise ConfigurationError(
                f"a {type(module).__name__} of {type(model).__name__} has a patched forward(), as accelerate's offloading makes it, and "
                "Liger's kernels would leave the patch out; load the model whole, without patches, or leave out kernels"
            )
    _require_the_same(model, found, learns=learns)
    return found


def check_liger(device: torch.device, *, compiled: bool, sharded: bool, processes: int, gradient_norms: bool) -> None:
    """Raise if Liger's kernels cannot be used in a training.

    Args:
        device: The device.
        compiled: Layers are compiled.
        sharded: The models are divided among processes.
        processes: Number of processes that train together.
        gradient_norms: Gradient norms of single losses are measured.

    Raises:
        ConfigurationError: Liger is not installed or does not run on the device; it is combined with what it was not
            tried with; or the gradient norms need several backward passes.
    """
    others = {"compile = true": compiled, 'parallel = "fsdp"': sharded, f"{processes} processes": processes > 1}
    for other, there in others.items():
        if there:
            raise ConfigurationError(f"kernels = 'liger' was not tried with {other}; leave out one of the two")
    if gradient_norms:
        raise ConfigurationError(NO_NORMS)
    require_liger(device)


def require_liger(device: torch.device) -> None:
    """Raise if Liger is not installed, or does not run on a device.

    Raises:
        ConfigurationError: One of the two. Where triton's interpreter is on (``TRITON_INTERPRET=1``), kernels run on
            any device, very slowly.
    """
    if find_spec("liger_kernel") is None or find_spec("triton") is None:
        raise ConfigurationError("kernels = 'liger' needs the extra 'liger': pip install 'shortstack[liger]'")
    from triton import knobs

    if device.type != "cuda" and not knobs.runtime.interpret:
        raise ConfigurationError(
            f"kernels = 'liger' needs a CUDA device, for which its kernels are compiled, and the device is {device.type!r}; leave out kernels"
        )


def require_family(config: PreTrainedConfig) -> None:
    """Raise if Liger has no kernels for a family.

    Raises:
        UnsupportedModelError: It has none; names the family.
    """
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as KNOWN

    if config.model_type not in KNOWN:
        raise UnsupportedModelError(
            f"Liger has no kernels for the family {config.model_type!r} (it has some for {', '.join(sorted(KNOWN))}); leave out kernels"
        )


_TOKENS: Final = 8
_ROUNDING: Final[Mapping[torch.dtype, float]] = {torch.bfloat16: 0.1, torch.float16: 0.1}
"""Tolerated difference of logits and gradients, relative to the largest of them, in half precision; else 1e-3. A wrong
activation or a gradient that was overwritten differs by as much as the numbers themselves."""


def _require_the_same(model: PreTrainedModel, found: LigerKernels, *, learns: bool) -> None:
    """Raise if logits, or gradients of the embeddings, differ with the kernels.

    Raises:
        UnsupportedModelError: They do, or a kernel fails.
    """
    # a fresh model writes nothing to its residual stream, so that nothing would be seen of its MLPs
    with as_if_trained(model):
        expected = _tried(model, None, learns=learns)
        try:
            actual = _tried(model, found, learns=learns)
        except Exception as error:
            raise UnsupportedModelError(
                f"a kernel of Liger fails in {named(model)}: {line_of(error)}; leave out kernels"
            ) from error
    for what, value, other in zip(("logits", "gradients"), expected, actual, strict=False):
        off = float((value - other).abs().max() / value.abs().max().clamp_min(torch.finfo(value.dtype).tiny))
        if not off <= _ROUNDING.get(model.dtype, 1e-3):
            raise UnsupportedModelError(
                f"Liger's kernels give other {what} for {named(model)}, by {off:.1g} of the largest, as for an activation that is not "
                "its own; leave out kernels"
            )


def _tried(model: PreTrainedModel, kernels: LigerKernels | None, *, learns: bool) -> list[Tensor]:
    """Return logits ``(2, tokens, vocabulary)`` of a short text, and their gradient at the embeddings if it is wanted."""
    copies, entries = copied_modules(model, list(model.modules())), list[Tensor]()
    for module in model.modules():
        copies[module].training = False
    if kernels is not None:
        kernels.set_in(copies)

    def entered(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        entries.append(output.detach().requires_grad_(learns))
        return entries[-1]

    copies[model.get_input_embeddings()].register_forward_hook(entered)
    ids = torch.arange(2 * _TOKENS, device=model.device).view(2, _TOKENS) % model.get_input_embeddings().num_embeddings
    with torch.set_grad_enabled(learns):
        logits = copies[model](**model_inputs(model, ids, torch.ones_like(ids))).logits.float()
        if not learns:
            return [logits]
        (gradient,) = torch.autograd.grad(logits.square().mean(), entries[:1])
    return [logits.detach(), gradient.float()]
