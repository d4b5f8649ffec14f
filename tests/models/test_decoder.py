"""Where the layers of a model are: the list of blocks is found, whatever else the model lists."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from shortstack import build_student
from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder


def llama(layers):
    """A tiny Llama."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2}
    return AutoModelForCausalLM.from_config(LlamaConfig(**sizes, num_hidden_layers=layers))


@pytest.mark.parametrize("count", [1, 2])
def test_a_list_without_parameters_is_none_of_layers(count):
    """As many rotary embeddings as layers, before and after them."""
    model = llama(count)
    model.model.rotary_embs = nn.ModuleList(type(model.model.rotary_emb)(model.config) for _ in range(count))

    assert Decoder.of(model).path == "model.layers"


@pytest.mark.parametrize(("more", "found"), [(2, "model.layers, model.others"), (0, "none")])
def test_layers_that_cannot_be_told(more, found):
    """Two lists of blocks, or none: the error names them."""
    model = llama(2)
    if more:
        model.model.others = nn.ModuleList(nn.Linear(2, 2) for _ in range(more))
    else:
        model.config.num_hidden_layers = 3
    count = model.config.num_hidden_layers
    message = f"cannot tell the {count} layers of LlamaForCausalLM: it should have one list of {count} modules, found {found}; use"

    with pytest.raises(UnsupportedModelError, match=message):
        Decoder.of(model)


def test_one_layer_of_a_family_that_lists_its_embeddings():
    """Granite with a sliding window has a list of rotary embeddings, one for each base, and a student of one layer."""
    config = AutoConfig.for_model(
        "granite_swa",
        vocab_size=20,
        hidden_size=16,
        intermediate_size=12,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    teacher = AutoModelForCausalLM.from_config(config).eval()

    assert build_student(teacher, [1]).config.num_hidden_layers == 1
