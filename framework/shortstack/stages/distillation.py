"""Stage 6: the teacher teaches the pruned student; what comes out is the product."""

from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.stages.selection import load_selection
from shortstack.stages.stage import Context, Stage
from shortstack.written import code_behind

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    losses = [registry.find("loss", name) for name in run.distillation.losses]
    balancing = run.distillation.balancing
    named = balancing if isinstance(balancing, str) else str(balancing.get("name", ""))
    return [run.distillation, run.seed, run.device, [loss.identity for loss in losses], code_behind(named)]


def _execute(context: Context, folder: Path) -> None:
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    settings = context.run.distillation
    teacher, student = Recommender.load(context, "teacher"), Recommender.load(context, "pruned")
    train(
        context,
        "student",
        student,
        settings.fit,
        folder,
        losses=settings.losses,
        balancing=settings.balancing,
        teacher=teacher.model,
        selection=load_selection(context.root),
    )


DISTILLATION = Stage(
    name="distillation",
    folder="student",
    after=("data", "teacher", "selection", "student"),
    depends_on=_depends_on,
    execute=_execute,
)
