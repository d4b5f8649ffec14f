"""A stock causal language model as embeddings, a list of layers, and an output head."""

import inspect
from collections.abc import Iterable
from typing import Any, Final

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.shared_weights import copied_modules


@attrs.frozen(kw_only=True, eq=False)
class Decoder:
    """The layers of a model, and their dotted name.

    Attributes:
        model: The causal language model.
        path: Dotted name of the list of layers, for example ``"model.layers"``.
        layers: The decoder blocks, index 0 nearest the embeddings.
    """

    model: PreTrainedModel
    path: str
    layers: nn.ModuleList

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Decoder":
        """Find the layers: the outermost list of modules with parameters whose length is the config's number of layers.

        Raises:
            UnsupportedModelError: There is no such list, or more than one; or the model has an encoder too.
        """
        if model.config.is_encoder_decoder:
            raise UnsupportedModelError(
                f"{type(model).__name__} ({model.config.model_type}) is an encoder with a decoder; use a decoder-only causal "
                "language model"
            )
        if model.config.return_dict is False:
            raise UnsupportedModelError(
                f"the config of {type(model).__name__} says return_dict = false, with which it fails itself; set it to true"
            )
        count = model.config.get_text_config().num_hidden_layers
        lists = [(p, m) for p, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m) == count]
        # a list of rotary embeddings, one for each kind of layer, may be as long
        lists = [(p, m) for p, m in lists if all(any(True for _ in part.parameters()) for part in m)]
        # the outermost, because a layer may hold a list of the same length: of experts, for example
        depth = min((p.count(".") for p, _ in lists), default=0)
        outermost = [(p, m) for p, m in lists if p.count(".") == depth]
        if len(outermost) != 1:
            paths = ", ".join(p for p, _ in outermost) or "none"
            raise UnsupportedModelError(
                f"cannot tell the {count} layers of {type(model).__name__}: it should have one list of {count} modules, "
                f"found {paths}; use a decoder-only causal language model"
            )
        path, layers = outermost[0]
        return cls(model=model, path=path, layers=layers)

    def copied_modules(self, layers: Iterable[int]) -> "Decoder":
        """Return the decoder of a shared-weight copy of the model in which these layers are copies."""
        parts = [self.layers[index] for index in layers]
        copies = copied_modules(self.model, [self.layers, *parts])
        return attrs.evolve(self, model=copies[self.model], layers=copies[self.layers])

    @property
    def device(self) -> torch.device:
        """Device of the first layer's parameters."""
        return next(self.layers.parameters()).device


def require_head(model: PreTrainedModel) -> None:
    """Raise if a model has no output head, as one loaded by ``AutoModel``: it predicts no tokens.

    Raises:
        UnsupportedModelError: The model has no output head.
    """
    if model.get_output_embeddings() is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} ({model.config.model_type}) has no output head, so it predicts no tokens; load it with "
            "AutoModelForCausalLM"
        )


def require_present(model: PreTrainedModel) -> None:
    """Raise if weights of a model are offloaded, and so not in memory.

    Raises:
        UnsupportedModelError: A parameter is on the meta device.
    """
    absent = next((name for name, parameter in model.named_parameters() if parameter.is_meta), None)
    if absent is not None:
        raise UnsupportedModelError(
            f"the weights {absent} of {type(model).__name__} are not in memory (offloaded by accelerate, or on the device meta); "
            "load all of the model onto one device first"
        )


def most_positions(config: PreTrainedConfig) -> int | None:
    """Return the number of positions of a model of this config; None if the config sets no bound."""
    name = config.attribute_map.get("max_position_embeddings", "max_position_embeddings")
    positions: int | None = config.to_dict().get(name)
    return positions


def most_tokens(model: PreTrainedModel) -> int | None:
    """Return the largest number of tokens in a model's input; None if its config sets no bound."""
    positions = most_positions(model.config.get_text_config())
    return None if positions is None else positions - first_position(model)


def first_position(model: PreTrainedModel) -> int:
    """Return the position of the first token: 0, but in RoBERTa and its kind the one after that of padding."""
    embeddings: Any = getattr(model.base_model, "embeddings", None)
    counts = hasattr(embeddings, "create_position_ids_from_input_ids")
    return int(embeddings.padding_idx) + 1 if counts else 0


def model_inputs(model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Any]:
    """Return the keyword arguments of a forward pass without a cache.

    ``position_ids = first_position + mask.cumsum − 1`` are passed if the model takes them, so that left padding changes
    nothing.

    Args:
        model: The model that will be called.
        input_ids: int64 ``(batch, tokens)``.
        attention_mask: ``(batch, tokens)``, 0 where the token is padding.
    """
    inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
    if "position_ids" in inspect.signature(model.forward).parameters:
        inputs["position_ids"] = (attention_mask.long().cumsum(-1) - 1).clamp_min(0) + first_position(model)
    return inputs


RESIDUAL_WRITERS: Final = ("o_proj", "down_proj", "c_proj", "out_proj", "fc2", "fc_out", "dense", "dense_4h_to_h")
"""Names of the last matrix of an attention or MLP part, across the families of transformers."""


def residual_writers(layer: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters of a layer that write to the residual stream, with their names in the layer."""
    # the last two parts of a name: in a mixture of experts the parameter itself has the name, not its module
    return [(n, p) for n, p in layer.named_parameters() if set(n.split(".")[-2:]) & set(RESIDUAL_WRITERS)]
