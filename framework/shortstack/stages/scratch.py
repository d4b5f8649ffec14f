"""Stage 7: the honest floor: the student's config and data and as many examples, but no teacher."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.stages.stage import Context, Stage, training_of

if TYPE_CHECKING:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    parts = [run.evaluation.scratch, run.teacher.fit, run.distillation.fit]
    return [*parts, run.seed, run.device, labels.identity]


def _fit(context: Context) -> "FitSettings":
    """As many examples as went into the student, its teacher's training included if that was done here.

    The learning rate is the one that suits fresh weights: the teacher's. Nothing stops it early.
    """
    own, fresh = context.run.distillation.fit, context.run.teacher.fit or context.run.distillation.fit
    examples = sum(training_of(context.root / name).get("examples", 0) for name in ("teacher", "student"))
    return attrs.evolve(
        own,
        steps=max(1, examples // own.batch_size),
        learning_rate=fresh.learning_rate,
        warmup_steps=min(fresh.warmup_steps, examples // own.batch_size - 1),
        patience=0,
    )


def _execute(context: Context, folder: Path) -> None:
    if not context.run.evaluation.scratch:
        return
    from shortstack.models.initial import initial_model
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    pruned = Recommender.load(context, "pruned")
    scratch = Recommender.of(context, initial_model(pruned.model.config), pruned.catalogue)
    train(context, "scratch", scratch, _fit(context), folder, losses={"labels": 1.0})


SCRATCH = Stage(
    name="scratch",
    folder="scratch",
    after=("data", "teacher", "student", "distillation"),
    depends_on=_depends_on,
    execute=_execute,
)
