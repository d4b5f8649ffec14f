"""Stage 7: the honest floor: the student's config and data and as many examples, but no teacher."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.stages.stage import Context, Stage

if TYPE_CHECKING:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    return [run.evaluation.scratch, _fit(run), run.seed, run.device, labels.full_name, labels.origin.version]


def _fit(run: "Run") -> "FitSettings":
    """As many steps and examples as the student had, at the learning rate that suits fresh weights: the teacher's."""
    fresh = run.teacher.fit or run.distillation.fit
    return attrs.evolve(
        run.distillation.fit,
        learning_rate=fresh.learning_rate,
        warmup_steps=min(fresh.warmup_steps, run.distillation.fit.steps - 1),
    )


def _execute(context: Context, folder: Path) -> None:
    if not context.run.evaluation.scratch:
        return
    from shortstack.models.initial import initial_model
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    pruned = Recommender.load(context, "pruned")
    scratch = Recommender.of(context, initial_model(pruned.model.config), pruned.catalogue)
    train(context, "scratch", scratch, _fit(context.run), folder, losses={"labels": 1.0})


SCRATCH = Stage(name="scratch", folder="scratch", after=("data", "student"), depends_on=_depends_on, execute=_execute)
