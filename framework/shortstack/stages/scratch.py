"""Stage 7: the honest floor: the student's config and data and as many examples, but no teacher."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.files import digest, read_json
from shortstack.provenance import RECORD
from shortstack.settings import unstructure
from shortstack.stages.stage import Context, Stage, training_of
from shortstack.stages.steps import Step
from shortstack.written import code_behind

if TYPE_CHECKING:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    return [run.task, run.seed, run.device, labels.identity, code_behind(run.task.name)]


def _looks_at(context: Context, steps: tuple[Step, ...]) -> object:
    """The student's config, items and words, and its fit: not its weights, nor which layers they are from."""
    folder = context.root / "pruned"
    config = read_json(folder / "config.json")
    config.pop("shortstack", None)  # which layers these are, and how they were chosen
    files = [path for path in sorted(folder.iterdir()) if path.name != "config.json" and _is_plain(path)]
    return [config, [digest(path) for path in files], unstructure(fit_for(context.run, _examples(context, steps)))]


def _is_plain(path: Path) -> bool:
    return path.is_file() and path.name != RECORD and path.suffix != ".safetensors"


def _examples(context: Context, steps: tuple[Step, ...]) -> int:
    """How many went into the student, and into its teachers as far as they were trained here."""
    trained = ("teacher", *(step.named("student") for step in steps))
    return sum(int(training_of(context.root / name).get("examples", 0)) for name in trained)


def fit_for(run: "Run", examples: int) -> "FitSettings":
    """As many examples as went into the student, the training of all its teachers included if that was done here.

    The learning rate is the one that suits fresh weights: the teacher's. Nothing stops it early.
    """
    own, fresh = run.distillation.fit, run.teacher.fit or run.distillation.fit
    return attrs.evolve(
        own,
        steps=max(1, examples // own.batch_size),
        learning_rate=fresh.learning_rate,
        warmup_steps=min(fresh.warmup_steps, examples // own.batch_size - 1),
        patience=0,
        lora=None,  # fresh layers have nothing to adapt
    )


def _execute(context: Context, folder: Path, steps: tuple[Step, ...]) -> None:
    from shortstack.models.initial import initial_model
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    pruned = Recommender.load(context, "pruned")
    scratch = Recommender.of(context, initial_model(pruned.model.config), pruned.catalogue, pruned.tokenizer)
    settings = fit_for(context.run, _examples(context, steps))
    train(context, "scratch", scratch, settings, folder, losses={"labels": 1.0})


def scratch_stage(steps: tuple[Step, ...]) -> Stage:
    """The floor of the last step's student."""
    return Stage(
        name="scratch",
        folder="scratch",
        after=("data",),
        depends_on=_depends_on,
        looks_at=partial(_looks_at, steps=steps),
        execute=partial(_execute, steps=steps),
    )
