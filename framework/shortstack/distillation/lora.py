"""Low-rank adapters (LoRA): trained beside a model's matrices, and merged into them afterwards."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings

from shortstack.config.training import LoraSettings
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

PART = "lora_"
"""Part of the name of every adapter parameter in peft."""


def require_peft() -> None:
    """Raise if the package peft, which makes adapters, is missing.

    Raises:
        ConfigurationError: peft is not installed.
    """
    if find_spec("peft") is None:
        raise ConfigurationError("lora needs the extra 'lora': pip install 'shortstack[lora]'")


@contextmanager
def adapted(
    model: "PreTrainedModel", settings: LoraSettings | None, trained: "Sequence[nn.Parameter]"
) -> Iterator[None]:
    """Add adapters to a model inside the context, and merge them at its end; all but a few other parameters are frozen.

    Args:
        model: Changed in place.
        settings: Settings of the adapters; None leaves the model unchanged.
        trained: Parameters of the model itself that are trained as well.

    Raises:
        ConfigurationError: peft is missing, or a module name in the settings does not exist.
    """
    if settings is None:
        yield
        return
    require_peft()
    from peft import LoraConfig, get_peft_model

    names, fan_in_fan_out = modules_of(model, settings.modules)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # annotated as int, but any number works
        lora_dropout=settings.dropout,
        target_modules=names,
        fan_in_fan_out=fan_in_fan_out,
    )
    # peft reads attributes that transformers has deprecated
    with catch_warnings(action="ignore", category=FutureWarning):
        wrapped: Any = get_peft_model(model, config)
    for parameter in trained:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        wrapped.merge_and_unload()
        vars(model).pop("peft_config", None)
        model.requires_grad_(True)


def modules_of(model: "PreTrainedModel", wanted: Sequence[str]) -> tuple[list[str], bool]:
    """Return the full names of the layers' linear modules, and True if their matrices are transposed, as in GPT-2.

    Raises:
        ConfigurationError: There are none, or none of a wanted name.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    from shortstack.models.decoder import Decoder

    path = Decoder.of(model).path
    inside = {
        name: module
        for name, module in model.named_modules()
        if name.startswith(f"{path}.") and isinstance(module, nn.Linear | Conv1D)
    }
    known = sorted({name.rpartition(".")[2] for name in inside})
    for name in wanted:
        if name not in known:
            raise ConfigurationError(
                f"lora.modules names {name!r}, but the layers of {type(model).__name__} have {', '.join(known) or 'no linear modules'}"
            )
    if not inside:
        raise ConfigurationError(
            f"the layers of {type(model).__name__} have no linear modules, so lora has nothing to adapt"
        )
    chosen = {name: module for name, module in inside.items() if not wanted or name.rpartition(".")[2] in wanted}
    return list(chosen), any(isinstance(module, Conv1D) for module in chosen.values())


def adapter_state(model: "nn.Module") -> "dict[str, Tensor]":
    """Return the trained parameters of a model with adapters, by name; empty if it has none."""
    named = dict(model.named_parameters())
    if not any(PART in name for name in named):
        return {}
    return {name: parameter for name, parameter in named.items() if parameter.requires_grad}
