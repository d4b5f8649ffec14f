"""Sizes that no model has are refused at once, from files and from settings."""

import json
import os
import threading

import pytest
from transformers import CONFIG_MAPPING, LlamaConfig, LlamaForCausalLM

from shortstack import Run
from shortstack.errors import ConfigurationError, DataError
from shortstack.models.config_bounds import out_of_bounds
from shortstack.models.stored import stored_model
from shortstack.teachers.sources import config_in

SIZES = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
HUGE = [
    ("num_hidden_layers", 10**9),
    ("num_hidden_layers", 10**18),
    ("hidden_size", 10**6),
    ("intermediate_size", 10**12),
    ("vocab_size", 10**12),
    ("max_position_embeddings", 10**12),
    ("num_attention_heads", 10**9),
    ("num_hidden_layers", -1),
]


@pytest.mark.parametrize(("name", "value"), HUGE)
def test_in_a_file(tmp_path, name, value):
    """The file, the field and the bound are named, whoever reads it."""
    folder = tmp_path / "model"
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))

    for read in (config_in, stored_model):
        with pytest.raises(DataError, match=rf"config\.json is no config of a model: {name} is"):
            read(folder)


@pytest.mark.parametrize(("name", "value"), HUGE)
def test_in_settings(name, value):
    """The same of a teacher that is to be trained."""
    run = Run(data="x", teacher={"config": {"model_type": "llama", **SIZES, name: value}})
    with pytest.raises(ConfigurationError, match=rf"{name} is"):
        run.teacher_config()


MAIN_SIZES = {
    "llama": {"hidden_size", "intermediate_size", "num_attention_heads", "vocab_size"},
    "gpt2": {"n_embd", "n_head", "vocab_size"},
    "opt": {"hidden_size", "ffn_dim", "num_attention_heads", "vocab_size"},
    "bloom": {"hidden_size", "n_head", "vocab_size"},
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("family", MAIN_SIZES)
def test_a_size_is_zero(family):
    """Whatever number of a config is 0, a model is made or one line says why not, before torch warns of empty matrices."""
    refused = set()
    for name, value in CONFIG_MAPPING[family]().to_dict().items():
        if type(value) is int and name != "word_embed_proj_dim":
            run = Run(data="x", teacher={"config": {"model_type": family, "num_hidden_layers": 1, name: 0}})
            try:
                run.teacher_config()
            except ConfigurationError:
                refused.add(name)
    assert refused >= MAIN_SIZES[family]


def test_a_family_that_refuses_its_defaults():
    """One line says so."""
    with pytest.raises(ConfigurationError, match=r"teacher\.config makes no gemma4_assistant: .* must be 0"):
        Run(data="x", teacher={"config": {"model_type": "gemma4_assistant"}}).teacher_config()


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_size_that_may_be_zero():
    """A mixture of experts need not have one that all tokens share."""
    sizes = {"num_hidden_layers": 1, "shared_expert_intermediate_size": 0}
    config = Run(data="x", teacher={"config": {"model_type": "qwen2_moe", **sizes}}).teacher_config()
    assert config.shared_expert_intermediate_size == 0


def test_weights_that_cannot_fill_the_config(tmp_path):
    """Embeddings a thousand times larger than all files are refused before they are allocated."""
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": 10**7, "hidden_size": 200_000}))

    with pytest.raises(DataError, match="they do not fit its config"):
        stored_model(tmp_path)


def test_known_models_are_within():
    """With room above the largest."""
    assert not out_of_bounds({"num_hidden_layers": 126, "hidden_size": 16_384, "intermediate_size": 53_248})
    assert not out_of_bounds({"vocab_size": 262_144, "max_position_embeddings": 10_485_760, "rope_theta": 10**9})


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_a_run_is_a_plain_file(tmp_path, kind):
    """Neither a device without an end nor a pipe without a writer is read."""
    path = "/dev/zero" if kind == "device" else tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(path)
    ended = threading.Event()

    def work():
        with pytest.raises(ConfigurationError, match="is no plain file"):
            Run.from_toml(path)
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    assert ended.wait(10)
