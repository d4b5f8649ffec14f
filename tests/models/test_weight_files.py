"""Weights come from safetensors in the model's own folder: no other file is opened, and nothing is unpickled."""

import json
import pickle

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack.errors import DataError
from shortstack.models.stored import stored_model

SIZES = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}


class Burst:
    """Unpickling it says so."""

    def __reduce__(self):
        """Raise when read."""
        return (pytest.fail, ("a pickle was read",))


@pytest.fixture
def sharded(tmp_path):
    """A model in several files, and a pickle beside the folder."""
    folder = tmp_path / "model"
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(folder, max_shard_size="2kB")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "w.bin").write_bytes(pickle.dumps(Burst()))
    torch.save({"x": torch.zeros(1)}, folder / "pytorch_model.bin")
    return folder


def test_several_files_are_read(sharded):
    """As transformers wrote them."""
    assert len(list(sharded.glob("*.safetensors"))) > 1
    assert stored_model(sharded).config.num_hidden_layers == 2


OTHERS = ["../outside/w.bin", "/etc/passwd", "pytorch_model.bin", "sub/w.safetensors", "", 3, ["x"]]


@pytest.mark.parametrize(
    ("place", "name"),
    [*(("index", name) for name in [*OTHERS, None]), *(("config", name) for name in OTHERS)],
    ids=str,
)
def test_other_files_are_refused(sharded, place, name):
    """Named by the index, or by the config: before anything is read."""
    path = sharded / ("model.safetensors.index.json" if place == "index" else "config.json")
    tables = json.loads(path.read_text())
    if place == "index":
        tables["weight_map"][next(iter(tables["weight_map"]))] = name
    else:
        tables["transformers_weights"] = name
    path.write_text(json.dumps(tables))

    with pytest.raises(DataError, match=r"names the weights .* in the folder alone"):
        stored_model(sharded)


@pytest.mark.parametrize("text", ["[]", "{", '{"weight_map": 3}', "[" * 100_000])
def test_an_index_that_is_none(sharded, text):
    """One line with its name."""
    (sharded / "model.safetensors.index.json").write_text(text)
    with pytest.raises(DataError, match=r"model\.safetensors\.index\.json"):
        stored_model(sharded)
