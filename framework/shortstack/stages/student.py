"""Stage 5: the pruned student, before it has learnt anything: a stock model that has proved itself."""

from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.stages.selection import load_selection
from shortstack.stages.stage import Context, Stage

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    architecture = registry.find("student", run.student.architecture)
    return [run.student, architecture.identity]


def _execute(context: Context, folder: Path) -> None:
    from shortstack.stages.importance import calibration_batches
    from shortstack.stages.recommender import Recommender
    from shortstack.students.build import build_student

    teacher = Recommender.load(context, "teacher")
    student = build_student(
        teacher.model,
        load_selection(context.root),
        context.run.student.architecture,
        settings=context.run.student.settings,
        registry=context.registry,
        calibration=calibration_batches(context, teacher),
    )
    Recommender.of(context, student, teacher.catalogue).save(folder)


STUDENT = Stage(
    name="student", folder="pruned", after=("teacher", "selection"), depends_on=_depends_on, execute=_execute
)
