"""Speed of teacher and student: training windows per second, ranked users per second."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from benchmarks.timing import Job, Row, best_seconds
from shortstack import Run, build_student
from shortstack.config.training import FitSettings
from shortstack.data.sequences import Sequences
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.evaluation.rankers import ModelRanker
from shortstack.models.initial import initial_config, initial_model
from shortstack.tasks import Examples, collate

ITEMS, WINDOW, USERS = 3496, 50, 671
CONFIG = Path(__file__).parents[1] / "examples" / "quickstart.toml"


def quickstart_teacher() -> PreTrainedModel:
    """Return the quickstart's teacher with fresh weights, for a catalogue of the real size."""
    torch.manual_seed(0)
    return initial_model(initial_config(Run.from_toml(CONFIG).teacher.config or {}, vocabulary=ITEMS + 1))


def measure_models(device: str = "cpu") -> list[Row]:
    """Measure training and ranking, 12 layers beside 3."""
    teacher = quickstart_teacher().to(device)
    models = {"teacher": teacher, "student": build_student(teacher, [0, 5, 11])}
    training = best_seconds({name: _training(model, device) for name, model in models.items()}, rounds=3)
    ranking = best_seconds({name: _ranking(model) for name, model in models.items()})
    steps = 5 * 64
    return [
        {
            "what": "training, 3 of 12 layers",
            "measured": f"student {steps / training['student']:.0f} windows/s",
            "beside": f"teacher {steps / training['teacher']:.0f} windows/s",
            "ratio": training["teacher"] / training["student"],
            "target": "",
        },
        {
            "what": "ranking the catalogue, 3 of 12 layers",
            "measured": f"student {USERS / ranking['student']:.0f} users/s",
            "beside": f"teacher {USERS / ranking['teacher']:.0f} users/s",
            "ratio": ranking["teacher"] / ranking["student"],
            "target": "at least 2.5",
        },
    ]


def _histories(length: int) -> Sequences:
    """Draw random histories: speed does not depend on the items."""
    items = np.random.default_rng(0).integers(0, ITEMS, USERS * length)
    offsets = np.arange(0, USERS * length + 1, length)
    return Sequences(items=items, offsets=offsets, splits=np.zeros(len(items), np.int8), catalogue_size=ITEMS)


def _ranking(model: PreTrainedModel) -> Job:
    histories = _histories(WINDOW).train()
    ranker = ModelRanker(model=model, candidates=torch.arange(1, ITEMS + 1), window=WINDOW)
    return lambda: ranker.scores(histories)


def _training(model: PreTrainedModel, device: str) -> Job:
    """Return a job of five optimiser steps of 64 windows."""
    tokens = _histories(WINDOW + 1).items + 1
    starts = np.arange(0, len(tokens), WINDOW + 1)
    examples = Examples(tokens=tokens, starts=starts, stops=starts + WINDOW + 1, supervised=starts + 1)
    settings = FitSettings(steps=5, batch_size=64, warmup_steps=0, evaluate_every=1000)

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            arguments = training_arguments(Path(folder), settings, seed=0, device=device, validated=False)
            trainer = DistillationTrainer(
                copy.deepcopy(model),
                arguments,
                examples,
                losses={"labels": 1.0},
                balancing="fixed",
                candidates=torch.arange(1, ITEMS + 1),
                data_collator=collate,
            )
            fit(trainer)

    return train
