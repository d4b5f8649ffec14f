"""The stage of the baseline SASRec: it learns, validation users choose its setting, and interruptions change nothing."""

import numpy as np
import pytest
import torch
from pipeline.prepared import ITEMS, alone, context, weights, write_data, write_items, write_json
from safetensors.numpy import load_file, save_file

from shortstack import Run
from shortstack.errors import UnknownNameError
from shortstack.evaluation import sasrec
from shortstack.evaluation.sasrec import SASRec
from shortstack.files import read_json
from shortstack.pipeline import sasrec as stage
from shortstack.pipeline.sasrec import SASREC_STAGE
from shortstack.pipeline.stage_model import StageModel
from shortstack.pipeline.task_evaluation import task_evaluation
from shortstack.run_layout import FACTS, SASREC, SEQUENCES, TRAINING

GRID = (SASRec(8, 0.5, 1e-3), SASRec(16, 0.0, 0.03))
CYCLE, USERS, LENGTH = 12, 48, 8
EVALUATED = {"baselines": ["markov", "sasrec"], "resamples": 100, "seen": "exclude"}
MODEL = {"config.json", "generation_config.json", "model.safetensors", "items.jsonl", "recommender.json", TRAINING}


SHORT = {"GRID": GRID, "EPOCHS": 1, "LEAST_STEPS": 4, "VALIDATIONS": 2}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Try two settings, for a few steps each."""
    for name, value in SHORT.items():
        monkeypatch.setattr(sasrec, name, value)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A run's folder with handwritten data, which hold nothing to learn, and the stage's result."""
    root = tmp_path_factory.mktemp("searched") / "run"
    write_data(root / "data")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SHORT.items():
            patch.setattr(sasrec, name, value)
        assert alone(SASREC_STAGE, context(root, evaluation=EVALUATED)) == MODEL
    return root


@pytest.fixture
def cyclic(tmp_path):
    """The data of users who walk round a cycle, each from another item, and never come back to one."""
    walks = [(np.arange(LENGTH) + user) % CYCLE for user in range(USERS)]
    splits = np.array([0] * (LENGTH - 2) + [1, 2], dtype=np.int8)
    arrays = {
        "items": np.concatenate(walks).astype(np.int64),
        "offsets": np.arange(0, USERS * LENGTH + 1, LENGTH),
        "splits": np.tile(splits, USERS),
    }
    folder = tmp_path / "run" / "data"
    write_json(folder / FACTS, {})
    write_items(folder, range(1, CYCLE + 1))
    save_file(arrays, folder / SEQUENCES, metadata={"catalogue_size": str(CYCLE)})
    return tmp_path / "run"


def quality(run, split, metric):
    """Return a metric of the stage's model."""
    evaluation = task_evaluation(run, split, in_full=True)
    return evaluation.evaluate(evaluation.candidate(StageModel.load(run, SASREC))).metrics[metric]


def test_it_learns_what_follows(cyclic, monkeypatch):
    """On a cycle the next item is certain; test users' last steps are as those of training."""
    for name, value in {"GRID": GRID[1:], "LEAST_STEPS": 40}.items():
        monkeypatch.setattr(sasrec, name, value)
    run = context(cyclic, evaluation=EVALUATED, task={"settings": {"window": LENGTH}})
    SASREC_STAGE.perform(run, "a key")

    assert quality(run, "test", "hr@1") > 0.9


def test_validation_users_choose(searched):
    """The setting with the best validation is kept; what was tried is recorded in the order of the grid."""
    record, config = read_json(searched / SASREC / TRAINING), read_json(searched / SASREC / "config.json")
    values = [tried["ndcg@10"] for tried in record["tried"]]
    chosen = GRID[values.index(max(values))]

    assert [SASRec(tried["width"], tried["dropout"], tried["learning_rate"]) for tried in record["tried"]] == list(GRID)
    assert SASRec(**record["setting"]) == chosen
    assert (config["n_embd"], config["n_inner"], config["resid_pdrop"]) == (chosen.width, chosen.width, chosen.dropout)
    assert (config["n_layer"], config["n_head"], config["vocab_size"]) == (2, 1, ITEMS + 1)
    run = context(searched, evaluation=EVALUATED)
    assert quality(run, "valid", "ndcg@10") == pytest.approx(max(values), abs=1e-6)


def test_what_may_not_matter(searched, tmp_path, monkeypatch):
    """Killed after the first setting, started from another random state, with other test items: the same, bit by bit."""
    write_data(tmp_path / "data")
    arrays = load_file(tmp_path / "data" / SEQUENCES)
    arrays["items"][arrays["splits"] == 2] = 0
    save_file(arrays, tmp_path / "data" / SEQUENCES, metadata={"catalogue_size": str(ITEMS)})
    run, train, numbers = context(tmp_path, evaluation=EVALUATED), stage._train, []

    def interrupted(of, place, number):
        numbers.append(number)
        if numbers == [0, 1]:
            raise KeyboardInterrupt
        train(of, place, number)

    monkeypatch.setattr(stage, "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SASREC_STAGE.perform(run, "a key")
    torch.manual_seed(2)
    SASREC_STAGE.perform(run, "a key")

    ours, theirs = weights(tmp_path / SASREC), weights(searched / SASREC)
    assert numbers == [0, 1, 1]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not (tmp_path / ".sasrec.partial").exists()


@pytest.mark.parametrize("constant", ["LAYERS", "BATCH", "EPOCHS", "LEAST_STEPS", "VALIDATIONS", "PATIENCE"])
def test_every_constant_of_its_training_counts(tmp_path, monkeypatch, constant):
    """A result that was made with another is not taken."""
    run = context(tmp_path, evaluation=EVALUATED)
    before = SASREC_STAGE.key(run, {"data": "of the data"})
    monkeypatch.setattr(sasrec, constant, getattr(sasrec, constant) + 1)

    assert SASREC_STAGE.key(run, {"data": "of the data"}) != before


def test_a_run_with_it(ring, tables, tmp_path):
    """It stands beside the others with its size, its settings and its costs."""
    usual = tables(ring, evaluation={**EVALUATED, "scratch": False}, importance={"scorers": ["fisher"], "examples": 4})
    fit = {"steps": 2, "batch_size": 8, "warmup_steps": 0, "evaluate_every": 2}
    short = {"teacher": {**usual["teacher"], "fit": fit}, "distillation": {"fit": fit}}
    selection = {"scorer": "fisher", "keep_layers": 1}
    result = Run.from_mapping({**usual, **short, "selection": selection}).execute(tmp_path)

    assert {"markov", SASREC, "teacher", "pruned", "student"} == result.metrics.keys()
    assert {"student-sasrec", "teacher-sasrec"} <= result.comparisons.keys()
    assert result.baselines[SASREC]["parameters"] == result.parameters_by_model()[SASREC] > 0
    assert SASRec(**result.baselines[SASREC]["setting"]) in GRID
    assert SASREC in result.cost["seconds"]
    assert all(SASREC in result.cost[part] for part in ("training", "work", "speed", "sizes"))


def test_ratings_have_no_such_baseline(ring, tables, tmp_path):
    """It ranks items; the refusal comes before any training."""
    run = Run.from_mapping(tables(ring, task={"name": "rating", "settings": {}}, evaluation=EVALUATED))

    with pytest.raises(UnknownNameError, match=r"unknown baseline '(markov|sasrec)'.*mode, user-mean"):
        run.execute(tmp_path)
    assert not (tmp_path / "teacher").exists()
