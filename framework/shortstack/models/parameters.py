"""Parameter counts of a model by part; shared storage is counted once."""

import copy

import attrs
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from shortstack.models.decoder import Decoder


@attrs.frozen(kw_only=True)
class ParameterCount:
    """Parameters by place.

    Attributes:
        layers: Parameters of each layer.
        embeddings: Parameters of embeddings (positions included) and output rows, outside the layers.
        other: All other parameters, for example of the final norm.
    """

    layers: tuple[int, ...]
    embeddings: int
    other: int

    @property
    def fixed(self) -> int:
        """Parameters outside the layers."""
        return self.embeddings + self.other

    @property
    def body(self) -> int:
        """All but embeddings and output rows."""
        return sum(self.layers) + self.other

    @property
    def total(self) -> int:
        """All of them."""
        return self.body + self.embeddings


def count_parameters(source: PreTrainedModel | PreTrainedConfig) -> ParameterCount:
    """Count a model's parameters, or those that a config would make; allocates no weights.

    Args:
        source: A causal language model, or the config of one.

    Raises:
        UnsupportedModelError: The model has no single list of layers.
    """
    model = planned_model(source) if isinstance(source, PreTrainedConfig) else source
    decoder = Decoder.of(model)
    layers = tuple(sum(p.numel() for p in layer.parameters()) for layer in decoder.layers)
    # by identity, so that tied weights count once
    inside = {id(p) for p in decoder.layers.parameters()}
    outside = {id(p): p for p in model.parameters() if id(p) not in inside}
    rows = [m for m in model.modules() if isinstance(m, nn.Embedding) or m is model.get_output_embeddings()]
    embeddings = {id(p) for module in rows for p in module.parameters()}
    return ParameterCount(
        layers=layers,
        embeddings=sum(p.numel() for key, p in outside.items() if key in embeddings),
        other=sum(p.numel() for key, p in outside.items() if key not in embeddings),
    )


def planned_model(config: PreTrainedConfig) -> PreTrainedModel:
    """Return the causal language model of a config on the meta device: shapes without weights."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(copy.deepcopy(config))
    return model
