"""The importance stage alone: its scores against gradients taken example by example."""

import pytest
import torch
from pipeline.prepared import LAYERS, TOKENS, WINDOW, alone, context, llama, train_items

from shortstack.errors import ConfigurationError, DataError
from shortstack.files import read_json
from shortstack.pipeline.importance import importance_stage, load_scores
from shortstack.planning.schedule import Round
from shortstack.run_layout import BATCHES, CALIBRATION, IMPORTANCE, SCORES, TEACHER

STAGE = importance_stage(Round(number=1, steps=1))


def fisher(model):
    """Return the mean over users of each layer's squared gradient of the label's log-probability among the items."""
    sums = torch.zeros(LAYERS, dtype=torch.float64)
    for user in range(7):
        tokens = torch.tensor([[TOKENS[item] for item in train_items(user)[-WINDOW - 1 :]]])
        model.zero_grad()
        logits = model(tokens[:, :-1]).logits[0, -1, list(TOKENS)]
        logits.log_softmax(-1)[TOKENS.index(int(tokens[0, -1]))].backward()
        sums += torch.stack(
            [sum(weight.grad.double().square().sum() for weight in layer.parameters()) for layer in model.model.layers]
        )
    return sums / 7


def test_scores_of_every_layer_by_every_scorer(without):
    """The Fisher information is that of a plain loop; each scorer says how many examples it saw."""
    run = context(without(IMPORTANCE))

    assert alone(STAGE, run) == {SCORES}
    scores = read_json(run.root / IMPORTANCE / SCORES)
    assert list(scores) == ["fisher", "attention"]
    assert {name: (len(of["scores"]), of["examples"]) for name, of in scores.items()} == {
        "fisher": (LAYERS, 7),
        "attention": (LAYERS, 7),
    }
    torch.testing.assert_close(
        torch.tensor(scores["fisher"]["scores"], dtype=torch.float64), fisher(llama(LAYERS, seed=0)), rtol=1e-4, atol=0
    )


def test_scores_are_read_back_as_they_were_written(prepared):
    """In float64, for a strategy compares sums of them exactly."""
    scores = load_scores(prepared / IMPORTANCE)["fisher"]

    assert scores.scores.tolist() == [0.3, 0.9, 0.1, 0.5]
    assert scores.scores.dtype == torch.float64
    assert scores.examples == 8


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (f"{CALIBRATION}/{BATCHES}", b"{", r"batches\.safetensors is damaged"),
        (f"{TEACHER}/model.safetensors", b"{", "holds no readable model"),
        (f"{TEACHER}/items.jsonl", b"{", r"items\.jsonl:1: not an item"),
        (f"{TEACHER}/recommender.json", b"{}", r"recommender\.json must say"),
    ],
)
def test_a_damaged_input_is_named(without, path, content, message):
    """The file is in the message, and no scores are written."""
    root = without(IMPORTANCE)
    (root / path).write_bytes(content)

    with pytest.raises(DataError, match=message):
        STAGE.perform(context(root), "a key")
    assert not (root / IMPORTANCE).exists()


def test_items_beyond_the_vocabulary_are_refused(without):
    """A teacher's items must be in its vocabulary."""
    root = without(IMPORTANCE)
    items = root / TEACHER / "items.jsonl"
    items.write_text(items.read_text(encoding="utf-8").replace('"token": 9', '"token": 99'), encoding="utf-8")

    with pytest.raises(ConfigurationError, match="vocabulary of 10 tokens does not hold the items: 'i0' is token 99"):
        STAGE.perform(context(root), "a key")
