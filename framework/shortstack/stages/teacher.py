"""Stage 2: a teacher that knows the task, either loaded or trained from its config."""

from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.data.catalogue import Catalogue
from shortstack.files import digest
from shortstack.stages.stage import Context, Stage
from shortstack.written import code_behind

if TYPE_CHECKING:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    files = [digest(path) for path in _files(run.teacher.path)]
    return [run.teacher, files, run.task, run.seed, run.device, labels.identity, code_behind(run.task.name)]


def _files(path: str | None) -> list[Path]:
    """What a teacher is read from, if it is here."""
    place = Path(path or "")
    if path and place.is_dir():
        return sorted(entry for entry in place.iterdir() if entry.is_file())
    return [place] if path and place.is_file() else []


def fit_of(run: "Run") -> "FitSettings | None":
    """How the teacher is trained; None leaves it as it is."""
    from shortstack.distillation.fitting import FitSettings

    return run.teacher.fit or (FitSettings() if run.teacher.path is None else None)


def keeps_new(run: "Run") -> bool:
    """Whether the tokens of new items stay what their texts started from: in the teacher, and in what it teaches."""
    return run.teacher.items.new == "kept"


def _execute(context: Context, folder: Path) -> None:
    from shortstack.models.initial import initial_config, initial_model
    from shortstack.stages.pretrained import brings_items, pretrained, trained_before
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    settings, catalogue = context.run.teacher, Catalogue.load(context.root / "data")
    tokenizer = None
    if settings.path is None:
        model = initial_model(initial_config(settings.config or {}, vocabulary=catalogue.vocabulary))
    elif brings_items(settings):
        model, tokenizer, catalogue = trained_before(Path(settings.path), catalogue, context.run.task.build().window)
    else:
        model, tokenizer, catalogue = pretrained(context, settings.path, catalogue)
    teacher = Recommender.of(context, model, catalogue, tokenizer)
    fit = fit_of(context.run)
    if fit is None:
        teacher.save(folder)
    else:
        keep_new = keeps_new(context.run)
        train(context, "teacher", teacher, fit, folder, losses={"labels": 1.0}, keep_new=keep_new)


TEACHER = Stage(name="teacher", folder="teacher", after=("data",), depends_on=_depends_on, execute=_execute)
