"""The scratch stage alone: a model of the student's shape, trained on as many examples without a teacher."""

import torch
from pipeline.prepared import FIT, KEPT, alone, context, weights, write_model

from shortstack.files import read_json, write_json
from shortstack.pipeline.scratch import scratch_stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import PRUNED, SCRATCH, STUDENT, TRAINING

STAGE = scratch_stage((Round(number=1, steps=1),))
MODEL = {"config.json", "generation_config.json", "model.safetensors", "items.jsonl", "recommender.json"}


def trained(run, key):
    """Train after seeding as the runner does, and return the weights."""
    torch.manual_seed(run.run.seed)
    STAGE.perform(run, key)
    return weights(run.root / SCRATCH)


def test_it_has_the_students_shape_and_as_many_examples(without):
    """Teacher and student saw 12 examples each, so six steps of four."""
    run = context(without(SCRATCH))

    assert alone(STAGE, run) == MODEL | {TRAINING}
    config, record = read_json(run.root / SCRATCH / "config.json"), read_json(run.root / SCRATCH / TRAINING)
    assert config["num_hidden_layers"] == len(KEPT)
    assert {name: tensor.shape for name, tensor in weights(run.root / SCRATCH).items()} == {
        name: tensor.shape for name, tensor in weights(run.root / PRUNED).items()
    }
    assert (record["steps"], record["examples"]) == (6, 24)


def test_nothing_of_the_teachers_weights_is_in_it(without):
    """With other weights in the pruned model it is the same, bit by bit, and its key is the same."""
    run = context(without(SCRATCH))
    keys, first = {"data": "d"}, trained(run, "a key")
    key = STAGE.key(run, keys)
    (run.root / PRUNED / "model.safetensors").unlink()
    write_model(run.root / PRUNED, len(KEPT), seed=7)
    again = trained(run, "another key")

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert STAGE.key(run, keys) == key


def test_a_longer_training_of_the_student_is_another_rival(without):
    """The key changes with the examples, and so do the steps."""
    run = context(without(SCRATCH))
    key = STAGE.key(run, {"data": "d"})
    write_json(run.root / STUDENT / TRAINING, {"examples": 20})

    assert STAGE.key(run, {"data": "d"}) != key
    alone(STAGE, run)
    assert read_json(run.root / SCRATCH / TRAINING)["steps"] == (12 + 20) // FIT["batch_size"]
