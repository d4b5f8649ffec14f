"""The distillation stage alone: it starts from the pruned model, is taught by the teacher, and reports its loss."""

import pytest
import torch
from pipeline.prepared import FIT, TOKENS, WINDOW, alone, context, llama, train_items, weights

from shortstack.errors import ConfigurationError, DataError
from shortstack.files import read_json, write_json
from shortstack.pipeline.distillation import distillation_stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import PRUNED, SELECTED, SELECTION, STUDENT, TRAINING

STAGE = distillation_stage(Round(number=1, steps=1))
MODEL = {"config.json", "generation_config.json", "model.safetensors", "items.jsonl", "recommender.json"}
STILL = 1e-20
"""A learning rate at which no float32 weight moves."""


def windows():
    """Return the training windows as tokens: at most one more than the window, the last one ending with the history."""
    cut = []
    for user in range(7):
        tokens = [TOKENS[item] for item in train_items(user)]
        stops = range(len(tokens), 0, -(WINDOW // 2))
        ends = [stop for stop in stops if stop == len(tokens) or stop + WINDOW // 2 > WINDOW + 1]
        cut += [tokens[max(0, stop - WINDOW - 1) : stop] for stop in ends]
    return cut


def losses(student, teacher):
    """Return the mean of cross-entropy, and of the divergence from the teacher, over all positions but the first."""
    labels, divergences = [], []
    for tokens in windows():
        with torch.no_grad():
            inputs, targets = torch.tensor([tokens[:-1]]), [TOKENS.index(token) for token in tokens[1:]]
            ours, theirs = (model(inputs).logits[0][:, list(TOKENS)].double() for model in (student, teacher))
        labels += torch.nn.functional.cross_entropy(ours, torch.tensor(targets), reduction="none").tolist()
        log_p, log_q = theirs.log_softmax(-1), ours.log_softmax(-1)
        divergences += (log_p.exp() * (log_p - log_q)).sum(-1).tolist()
    return sum(labels) / len(labels), sum(divergences) / len(divergences)


def distilled(without, losses, *, rate=STILL, batch=None):
    """Distil for one step over all windows at once, and return the run."""
    fit = {"steps": 1, "batch_size": batch or len(windows()), "learning_rate": rate, "warmup_steps": 0}
    run = context(
        without(STUDENT),
        distillation={"losses": losses, "balancing": "fixed", "fit": {**FIT, **fit, "evaluate_every": 1}},
    )

    assert alone(STAGE, run) == MODEL | {TRAINING}
    return run


@pytest.mark.parametrize("what", [{"labels": 1.0}, {"soft-targets": 1.0}, {"labels": 0.5, "soft-targets": 2.0}])
def test_the_loss_is_that_of_pruned_model_and_teacher(without, what):
    """Of all windows in one batch, in float64, with the losses' weights."""
    settings = {
        name: {"weight": weight, "temperature": 1.0} if name == "soft-targets" else weight
        for name, weight in what.items()
    }
    run = distilled(without, settings)
    labels, divergence = losses(llama(2, seed=1), llama(4, seed=0))
    expected = what.get("labels", 0.0) * labels + what.get("soft-targets", 0.0) * divergence

    assert read_json(run.root / STUDENT / TRAINING)["curve"][-1]["loss"] == pytest.approx(expected, rel=1e-5)


def test_it_starts_from_the_pruned_model(without):
    """Where no weight moves, the student is the pruned model; with a usual rate every tensor of it has moved."""
    run = distilled(without, {"labels": 1.0})
    pruned, student = weights(run.root / PRUNED), weights(run.root / STUDENT)
    assert all(torch.equal(student[name], pruned[name]) for name in pruned)

    fit = {**FIT, "learning_rate": 0.05}
    STAGE.perform(context(run.root, distillation={"losses": {"labels": 1.0}, "fit": fit}), "another key")
    student = weights(run.root / STUDENT)
    assert student.keys() == pruned.keys()
    assert not any(torch.equal(student[name], pruned[name]) for name in pruned)


def test_a_loss_that_pairs_layers_refuses_a_selection_of_another_teacher(without):
    """Layers 1 and 5 of six, where the teacher has four."""
    root = without(STUDENT)
    write_json(root / SELECTION / SELECTED, {"kept": [1, 5], "of": 6})

    with pytest.raises(
        ConfigurationError, match="the selection keeps 2 of 6 layers, but the student has 2 and the teacher 4"
    ):
        STAGE.perform(context(root, distillation={"losses": {"hidden-states": 1.0}, "fit": FIT}), "a key")
    assert not (root / STUDENT).exists()


@pytest.mark.parametrize("path", [f"{PRUNED}/model.safetensors", f"{SELECTION}/{SELECTED}"])
def test_a_damaged_input_is_named(without, path):
    """The folder or the file is in the message."""
    root = without(STUDENT)
    (root / path).write_bytes(b"{")

    with pytest.raises(DataError, match=r"holds no readable model|selection\.json is damaged"):
        STAGE.perform(context(root), "a key")
    assert not (root / STUDENT).exists()
