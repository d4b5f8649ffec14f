"""The evaluation stage alone: every metric against ranks that are counted one case at a time."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from pipeline.prepared import ITEMS, TOKENS, WINDOW, alone, context, histories, llama

from shortstack.errors import DataError
from shortstack.files import read_json
from shortstack.pipeline.evaluation import evaluation_stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import CASES, EVALUATION, METRICS, STUDENT

STAGE = evaluation_stage((Round(number=1, steps=1),), ["scratch"])
MODELS = {"teacher": (4, 0), "pruned": (2, 1), "student": (2, 2), "scratch": (2, 3)}
"""Layers and seed of each model in the folder."""


def scored(model, history):
    """Return a model's logits of the items after the end of a history, without padding, in float64."""
    tokens = torch.tensor([[TOKENS[item] for item in history[-WINDOW:]]])
    with torch.no_grad():
        return model(tokens).logits[0, -1, list(TOKENS)].double().numpy()


def popularity(_history):
    """Return how often each item is in a training or validation part."""
    return np.bincount(np.concatenate([walk[:-1] for walk in histories()]), minlength=ITEMS).astype(float)


def markov(history):
    """Return how often each item follows the last one there; of equal counts the more popular item is first."""
    counts = np.zeros(ITEMS)
    for walk in histories():
        for before, after in pairwise(walk[:-1]):
            counts[after] += before == history[-1]
    return counts + popularity(history) / 1000


def expected(scores, seen):
    """Return each metric and the number of cases, by counting for each user the items with higher scores."""
    ranks, losses = [], []
    for walk in histories():
        history, target = walk[:-1], walk[-1]
        if seen == "exclude" and target in history:
            continue
        given = scores(history)
        left = [item for item in range(ITEMS) if item == target or seen == "include" or item not in history]
        higher = sum(given[item] > given[target] for item in left)
        ranks.append(1 + higher + sum(given[item] == given[target] for item in left if item != target) / 2)
        losses.append(math.log(np.exp(given).sum()) - given[target])
    found = {"loss": np.mean(losses)}
    for k in (1, 5, 10, 20):
        found[f"hr@{k}"] = np.mean([rank <= k for rank in ranks])
        found[f"ndcg@{k}"] = np.mean([(rank <= k) / math.log2(rank + 1) for rank in ranks])
        found[f"mrr@{k}"] = np.mean([(rank <= k) / rank for rank in ranks])
    return found, len(ranks)


@pytest.mark.parametrize("seen", ["exclude", "include"])
def test_every_metric_of_every_method(without, seen):
    """Models and baselines, on the test cases alone; items of the history count as the rule says."""
    run = context(without(EVALUATION), evaluation={"resamples": 100, "seen": seen})

    assert alone(STAGE, run) == {METRICS, CASES}
    record = read_json(run.root / EVALUATION / METRICS)
    for name, (layers, seed) in MODELS.items():
        model = llama(layers, seed)
        metrics, cases = expected(lambda history, model=model: scored(model, history), seen)
        assert {metric: record["metrics"][name][metric] for metric in metrics} == pytest.approx(metrics, rel=1e-4)
        assert record["cases"]["evaluated"] == cases
    for name, scores in (("popularity", popularity), ("markov", markov)):
        metrics, _ = expected(scores, seen)
        metrics.pop("loss")  # counts are no logits
        assert {metric: record["metrics"][name][metric] for metric in metrics} == pytest.approx(metrics)
        assert record["metrics"][name]["loss"] is None


def test_cases_are_counted_by_kind(without):
    """Those whose target is in the history are left out, and counted."""
    run = context(without(EVALUATION))
    alone(STAGE, run)
    repeats = sum(walk[-1] in walk[:-1] for walk in histories())
    cases = read_json(run.root / EVALUATION / METRICS)["cases"]

    assert 0 < repeats < 8
    assert (cases["repeats"], cases["left_out"], cases["evaluated"]) == (repeats, repeats, 8 - repeats)
    assert (cases["seen"], cases["users"], cases["without_history"]) == ("exclude", 8 - repeats, 0)


def test_comparisons_are_of_the_metrics(without):
    """A ratio is a ratio of the two values, and a difference their difference; both lie in their interval."""
    run = context(without(EVALUATION))
    alone(STAGE, run)
    record = read_json(run.root / EVALUATION / METRICS)
    student, teacher = (record["metrics"][name]["ndcg@10"] for name in ("student", "teacher"))
    ratio, difference = (record["comparisons"][f"student{sign}teacher"]["ndcg@10"] for sign in "/-")

    assert ratio[0] == pytest.approx(student / teacher)
    assert difference[0] == pytest.approx(student - teacher)
    assert all(low <= value <= high for value, low, high in (ratio, difference))


def test_a_model_that_cannot_be_read_is_named(without):
    """No record is written."""
    root = without(EVALUATION)
    (root / STUDENT / "model.safetensors").write_bytes(b"{")

    with pytest.raises(DataError, match="student holds no readable model"):
        STAGE.perform(context(root), "a key")
    assert not (root / EVALUATION).exists()
