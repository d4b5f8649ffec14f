"""The teacher stage alone: the model that it trains, or takes as it is."""

import json

import pytest
import torch
from pipeline.prepared import FIT, ITEMS, LAYERS, TOKENS, WINDOW, alone, context, weights, write_items

from shortstack.config.writer import unstructure
from shortstack.data.catalogue import Catalogue
from shortstack.errors import ConfigurationError, EmptyDataError
from shortstack.files import read_json
from shortstack.pipeline.teacher import TEACHER_STAGE
from shortstack.run_layout import DATA, TEACHER, TRAINING

MODEL = {"config.json", "generation_config.json", "model.safetensors", "items.jsonl", "recommender.json"}


def test_a_teacher_from_a_config_is_trained(without):
    """It has the config's shape, the data's items, and the record of so many steps."""
    run = context(without(TEACHER))

    assert alone(TEACHER_STAGE, run) == MODEL | {TRAINING}
    folder = run.root / TEACHER
    config, training = read_json(folder / "config.json"), read_json(folder / TRAINING)
    assert (config["num_hidden_layers"], config["hidden_size"], config["vocab_size"]) == (LAYERS, 16, ITEMS + 1)
    assert Catalogue.load(folder) == Catalogue.load(run.root / DATA)
    assert read_json(folder / "recommender.json") == {"schema": 1, "window": WINDOW, "seen": "exclude"}
    assert (training["steps"], training["examples"]) == (FIT["steps"], FIT["steps"] * FIT["batch_size"])
    assert training["curve"][-1]["step"] == FIT["steps"]


def test_training_ends_the_same_from_the_same_seed(without):
    """Two trainings agree bit by bit if the random state is the same before, as the runner makes it."""
    run = context(without(TEACHER))
    trained = []
    for number in range(2):
        torch.manual_seed(0)
        TEACHER_STAGE.perform(run, f"key {number}")
        trained.append(weights(run.root / TEACHER))

    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_a_trained_recommender_is_taken_as_it_is(without, prepared):
    """Its weights are bit-equal and it was not trained; the items have its tokens, which differ from the data's."""
    run = context(without(TEACHER), teacher={"path": str(prepared / TEACHER)})

    assert alone(TEACHER_STAGE, run) == MODEL
    before, after = weights(prepared / TEACHER), weights(run.root / TEACHER)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert Catalogue.load(run.root / TEACHER).tokens == list(TOKENS)


def test_a_recommender_of_other_items_is_refused(without, prepared, tmp_path):
    """Of nine items its catalogue has eight; the missing one is named."""
    root = without(TEACHER)
    other = tmp_path / "other"
    other.mkdir()
    for path in (prepared / TEACHER).iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    write_items(other, TOKENS[:-1])

    with pytest.raises(ConfigurationError, match=r"1 of 9 have no token, for example 'i8' \(Item 8\)"):
        TEACHER_STAGE.perform(context(root, teacher={"path": str(other)}), "a key")
    assert not (root / TEACHER).exists()


def test_data_without_test_cases_are_refused_before_training(without):
    """Every interaction is a training one, so nothing could be evaluated in the end."""
    from safetensors.numpy import load_file, save_file

    root = without(TEACHER)
    path = root / DATA / "sequences.safetensors"
    arrays = load_file(path)
    save_file(arrays | {"splits": arrays["splits"] * 0}, path, metadata={"catalogue_size": str(ITEMS)})

    with pytest.raises(EmptyDataError, match="the split 'valid' has no interactions"):
        TEACHER_STAGE.perform(context(root), "a key")
    assert not (root / TEACHER).exists()


def own_key(path):
    """Return what the teacher depends on itself, as its key hashes it."""
    run = context(None, teacher={"path": str(path)})
    return json.dumps(unstructure(TEACHER_STAGE.depends_on(run.run, run.registry)), sort_keys=True, default=str)


def test_the_key_holds_the_content_of_the_teachers_files(tmp_path):
    """Of a folder and of one file; a name on the hub is no file here, and is not read."""
    folder, file = tmp_path / "model", tmp_path / "model.gguf"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    file.write_bytes(b"first")
    before = [own_key(place) for place in (folder, file, "someone/on-the-hub")]
    (folder / "config.json").write_text("{ }", encoding="utf-8")
    file.write_bytes(b"other")
    after = [own_key(place) for place in (folder, file, "someone/on-the-hub")]

    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]
