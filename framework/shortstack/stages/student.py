"""Stage 5: the pruned student, before it has learnt anything: a stock model that has proved itself."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.stages.selection import own_selection
from shortstack.stages.stage import Context, Stage
from shortstack.stages.steps import Step

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    architecture = registry.find("student", run.student.architecture)
    return [run.student, architecture.identity]


def _execute(context: Context, folder: Path, step: Step) -> None:
    from shortstack.stages.importance import calibration_batches
    from shortstack.stages.recommender import Recommender
    from shortstack.students.build import build_student

    teacher = Recommender.load(context, step.source)
    student = build_student(
        teacher.model,
        own_selection(context.root, step),
        context.run.student.architecture,
        settings=context.run.student.settings,
        registry=context.registry,
        calibration=calibration_batches(context, teacher),
    )
    Recommender.of(context, student, teacher.catalogue, teacher.tokenizer).save(folder)


def student_stage(step: Step) -> Stage:
    """The pruned model of this step."""
    return Stage(
        name=step.named("student"),
        folder=step.named("pruned"),
        after=(step.made_by, step.named("selection")),
        depends_on=_depends_on,
        execute=partial(_execute, step=step),
    )
