"""Stage 2: a teacher that knows the task, either loaded or trained from its config."""

from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.data.catalogue import Catalogue
from shortstack.files import digest
from shortstack.stages.stage import Context, Stage
from shortstack.written import code_behind

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import Run
    from shortstack.stages.recommender import Recommender


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    files = [digest(path) for path in _files(run.teacher.path)]
    parts = [run.teacher, files, run.task, run.seed, run.device, labels.identity, code_behind(run.task.name)]
    return [
        *parts,
        run.evaluation.seen,
    ]  # what models are selected by, and what they recommend, in all later stages too


def _files(path: str | None) -> list[Path]:
    """What a teacher is read from, if it is here."""
    place = Path(path or "")
    if path and place.is_dir():
        return sorted(entry for entry in place.iterdir() if entry.is_file())
    return [place] if path and place.is_file() else []


def keeps_new(run: "Run") -> bool:
    """Whether the tokens of new items stay what their texts started from: in the teacher, and in what it teaches."""
    return run.teacher.items.new == "kept"


def _execute(context: Context, folder: Path) -> None:
    from shortstack.models.initial import as_if_trained
    from shortstack.stages.distillation import rehearse_losses
    from shortstack.stages.exam import require_cases
    from shortstack.stages.importance import rehearse_sweep
    from shortstack.stages.student import rehearse_student
    from shortstack.stages.teacher_config import fit_of
    from shortstack.stages.training import train

    require_cases(context)
    teacher, fit = _untrained(context), fit_of(context.run)
    rehearse_losses(context, teacher)
    if fit is None:
        teacher.save(folder)
        return
    with as_if_trained(teacher.model):
        rehearse_student(context, teacher)
        rehearse_sweep(context, teacher)
    train(context, "teacher", teacher, fit, folder, losses={"labels": 1.0}, keep_new=keeps_new(context.run))


def _untrained(context: Context) -> "Recommender":
    """The teacher as it is before its training, with the data's items.

    Raises:
        ConfigurationError: It, or a student beside it, does not fit into memory, or it does not go with the data.
    """
    from shortstack.models.initial import initial_config, initial_model
    from shortstack.stages.pretrained import brings_items, pretrained, trained_before
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.shapes import Shapes
    from shortstack.stages.teacher_config import teacher_config

    run, catalogue = context.run, Catalogue.load(context.root / "data")
    shapes = Shapes(run=run, config=teacher_config(run, items=len(catalogue)), registry=context.registry)
    shapes.require_memory(context.device)
    if run.teacher.path is None:
        config = initial_config(run.teacher.config or {}, vocabulary=catalogue.vocabulary)
        return Recommender.of(context, initial_model(config), catalogue)
    if brings_items(run.teacher):
        model, tokenizer, known = trained_before(Path(run.teacher.path), catalogue, run.task.build().window)
    else:
        model, tokenizer, known = pretrained(context, run.teacher.path, catalogue)
    return Recommender.of(context, model, known, tokenizer)


TEACHER = Stage(name="teacher", folder="teacher", after=("data",), depends_on=_depends_on, execute=_execute)
