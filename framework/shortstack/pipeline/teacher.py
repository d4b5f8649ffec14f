"""Stage 2: the teacher, either loaded, fine-tuned on the task, or trained from its config."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.config.given import Given
from shortstack.data.catalogue import Catalogue
from shortstack.files import digest
from shortstack.pipeline.model_cards import is_written_card
from shortstack.pipeline.stage import Context, Stage, judged_by, with_digests
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import DATA, TEACHER
from shortstack.tasks import task_of

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    files = [digest(path) for path in _files(run.teacher.path)]
    teacher = run.untracked.teacher
    parts = [teacher, files, run.task, run.seed, run.device, labels.identity, source_digest_of_name(run.task.name)]
    return [*parts, *judged_by(run), with_digests(run.callbacks)]  # in the keys of all later stages too


def _files(path: str | None) -> list[Path]:
    """Return the files that a teacher is read from, where they are on this machine."""
    place = Path(path or "")
    if isinstance(path, Given):  # a model object's digest is already part of the settings
        return []
    if path and place.is_dir():
        return sorted(entry for entry in place.iterdir() if entry.is_file() and not is_written_card(entry))
    return [place] if path and place.is_file() else []


def _execute(context: Context, folder: Path) -> None:
    from shortstack.pipeline.rehearsal import rehearse, rehearse_losses
    from shortstack.pipeline.task_evaluation import require_cases
    from shortstack.pipeline.training import train

    require_cases(context)
    teacher, fit = _untrained(context), context.run.teacher_fit
    rehearse_losses(context, teacher)
    if fit is None:
        if context.world.is_first:
            teacher.save(folder)
        return
    context.world.first(partial(rehearse, context, teacher))
    train(context, "teacher", teacher, fit, folder, keep_new=context.run.keeps_new_items)


def _untrained(context: Context) -> "StageModel":
    """Return the teacher before its training, with the data's items.

    Raises:
        ConfigurationError: It, or a student beside it, does not fit into memory, or it does not go with the data.
    """
    from shortstack.models.initial import initial_config, initial_model
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.planning.model_shapes import ModelShapes
    from shortstack.teachers.config import teacher_config
    from shortstack.teachers.items import brings_items, pretrained, trained_before

    run, catalogue = context.run, Catalogue.load(context.root / DATA)
    shapes = ModelShapes(run=run, config=teacher_config(run, items=len(catalogue)), registry=context.registry)
    # processes without GPUs share one memory
    divided = context.world.size if context.is_sharded and context.device.type != "cpu" else 1
    shapes.require_memory(context.device, divided)
    if run.teacher.path is None:
        config = initial_config(run.teacher.config or {}, vocabulary=catalogue.vocabulary)
        return StageModel.of(context, initial_model(config), catalogue)
    if brings_items(run.teacher):
        model, tokenizer, known = trained_before(run.teacher, catalogue, task_of(run.task).window)
    else:
        model, tokenizer, known = pretrained(run.teacher, catalogue, window=task_of(run.task).window, seed=run.seed)
    return StageModel.of(context, model, known, tokenizer)


TEACHER_STAGE = Stage(
    name="teacher", folder=TEACHER, after=("data",), depends_on=_depends_on, execute=_execute, shared=True
)
