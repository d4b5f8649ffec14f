"""Stage 7: the honest floor: the student's config and data and as many examples, but no teacher."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.stages.stage import Context, Stage, training_of
from shortstack.stages.steps import Step

if TYPE_CHECKING:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    parts = [run.evaluation.scratch, run.teacher.fit, run.distillation.fit]
    return [*parts, run.seed, run.device, labels.identity]


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
    if not context.run.evaluation.scratch:
        return
    from shortstack.models.initial import initial_model
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    pruned = Recommender.load(context, "pruned")
    scratch = Recommender.of(context, initial_model(pruned.model.config), pruned.catalogue, pruned.tokenizer)
    trained = ("teacher", *(step.named("student") for step in steps))
    examples = sum(training_of(context.root / name).get("examples", 0) for name in trained)
    train(context, "scratch", scratch, fit_for(context.run, examples), folder, losses={"labels": 1.0})


def scratch_stage(steps: tuple[Step, ...]) -> Stage:
    """The floor of the last step's student."""
    return Stage(
        name="scratch",
        folder="scratch",
        after=("data", "teacher", "student", "distillation"),
        depends_on=_depends_on,
        execute=partial(_execute, steps=steps),
    )
