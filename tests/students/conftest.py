"""A tiny teacher for every test that needs one."""

import copy

import pytest
import torch

from shortstack.contracts import Selection
from shortstack.students.build import build_student
from shortstack_students.layer_subset import LayerSubset

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def _made(family, **changes):
    from transformers import AutoConfig, AutoModelForCausalLM

    dtype = changes.pop("dtype", torch.float32)
    config = AutoConfig.for_model(family, **copy.deepcopy(SIZES | changes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
        for parameter in model.parameters():  # no bias or norm keeps a value that would hide a mistake
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="session")
def teacher_of():
    """Makes a tiny teacher of six layers: ``teacher_of("llama", hidden_size=16)``; the same weights each time."""
    return _made


@pytest.fixture
def teacher(teacher_of):
    """A tiny Llama."""
    return teacher_of("llama")


@pytest.fixture(scope="session")
def build():
    """``build_student`` with the built-in architecture, without looking at the environment."""

    def built(teacher, kept, architecture=None, **rest):
        return build_student(teacher, kept, architecture or LayerSubset(), **rest)

    return built


@pytest.fixture
def selected():
    """A selection out of six layers."""
    return lambda *kept: Selection(kept=kept, of=6, strategy="top-k", budget="keep 3 of 6 layers", reason="a test")
