"""A model by its name on the hub is looked at like a folder: in the cache, before transformers reads it."""

import json

import pytest
from pipeline.little_language_model import UNTIED, llama, tokenizer

from shortstack.errors import DataError, SourceNotFoundError
from shortstack.models.language_models import language_model
from shortstack.teachers.sources import config_of_path

NAME, REVISION = "some/body", "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("huggingface_hub.constants.HF_HUB_CACHE", "transformers.utils.hub.constants.HF_HUB_CACHE"):
        monkeypatch.setattr(name, str(tmp_path))
    return tmp_path


@pytest.fixture
def snapshot(cache):
    """A model in several files, as the hub's library keeps it."""
    return kept(cache, llama())


def kept(cache, model):
    """Write a model into the cache."""
    place = cache / "models--some--body"
    folder = place / "snapshots" / REVISION
    folder.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(REVISION)
    model.save_pretrained(folder, max_shard_size="20kB")
    tokenizer().save_pretrained(folder)
    return folder


def change(path, **values):
    """Change values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_sound_one(snapshot):
    """It is read, in several files."""
    model, words = language_model(NAME)

    assert len(list(snapshot.glob("*.safetensors"))) > 1
    assert (model.config.num_hidden_layers, len(words)) == (4, 32)
    assert config_of_path(NAME).num_hidden_layers == 4


@pytest.mark.parametrize("file", ["pytorch_model.bin", "../../w.safetensors", "/etc/passwd"])
def test_an_index_that_names_other_files(snapshot, file):
    """As of a folder: nothing outside is opened, nothing unpickled."""
    path = snapshot / "model.safetensors.index.json"
    change(path, weight_map=json.loads(path.read_text())["weight_map"] | {"lm_head.weight": file})
    with pytest.raises(DataError, match=r"model\.safetensors\.index\.json names the weights .* in the folder alone"):
        language_model(NAME)


def test_a_config_that_names_other_files(snapshot):
    """The same."""
    change(snapshot / "config.json", transformers_weights="pytorch_model.bin")
    with pytest.raises(DataError, match=r"config\.json names the weights 'pytorch_model\.bin' in transformers_weights"):
        language_model(NAME)


@pytest.mark.parametrize("read", [language_model, config_of_path])
def test_sizes_that_no_model_has(snapshot, read):
    """Before anything of that size is built."""
    change(snapshot / "config.json", num_hidden_layers=10**9)
    with pytest.raises(DataError, match=r"config\.json is no config of a model: num_hidden_layers is 1,000,000,000"):
        read(NAME)


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file(snapshot):
    """One line with the name."""
    next(snapshot.glob("*.safetensors")).write_bytes(b"none")
    with pytest.raises(DataError, match="some/body holds no model that can be loaded"):
        language_model(NAME)


def test_a_missing_head(cache):
    """It is not drawn at random."""
    kept(cache, llama(**UNTIED).model)
    with pytest.raises(
        DataError, match=r"the weights in some/body do not fit its config: missing keys lm_head\.weight"
    ):
        language_model(NAME)


def test_one_that_is_not_here(cache):
    """Neither in the cache nor, without a network, elsewhere."""
    with pytest.raises(
        SourceNotFoundError, match=r"some/body is no folder here and cannot be downloaded from the hub \(.*\); download"
    ):
        language_model(NAME)
