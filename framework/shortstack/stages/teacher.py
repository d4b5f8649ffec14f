"""Stage 2: a teacher that knows the task, either loaded or trained from its config."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.data.catalogue import Catalogue
from shortstack.errors import ConfigurationError
from shortstack.files import digest
from shortstack.stages.stage import Context, Stage
from shortstack.written import code_behind

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shortstack.registry import Registry
    from shortstack.run import Run


def _depends_on(run: "Run", registry: "Registry") -> object:
    labels = registry.find("loss", "labels")
    stored = sorted(path for path in Path(run.teacher.path).iterdir() if path.is_file()) if run.teacher.path else []
    files = [digest(path) for path in stored]
    return [run.teacher, files, run.task, run.seed, run.device, labels.identity, code_behind(run.task.name)]


def _execute(context: Context, folder: Path) -> None:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.models.initial import initial_config, initial_model
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    settings, catalogue = context.run.teacher, Catalogue.load(context.root / "data")
    if settings.path is None:
        model = initial_model(initial_config(settings.config or {}, vocabulary=catalogue.vocabulary))
    else:
        model, catalogue = _stored(Path(settings.path), catalogue)
    teacher = Recommender.of(context, model, catalogue)
    fit = settings.fit or (FitSettings() if settings.path is None else None)
    if fit is None:
        teacher.save(folder)
    else:
        train(context, "teacher", teacher, fit, folder, losses={"labels": 1.0})


def _stored(path: Path, wanted: Catalogue) -> "tuple[PreTrainedModel, Catalogue]":
    """Load a teacher, and give the data's items the tokens that it knows them by.

    Raises:
        ConfigurationError: Its vocabulary does not hold all the items.
    """
    from shortstack.students.compact import CompactStudentModel

    teacher = CompactStudentModel.from_pretrained(path)
    tokens = {item.id: item.token for item in teacher.catalogue.items}
    missing = [item for item in wanted.items if item.id not in tokens]
    if missing:
        raise ConfigurationError(
            f"the teacher in {path} does not cover the items: {len(missing)} of {len(wanted)} have no token, for "
            f"example {missing[0].id!r} ({missing[0].title}); use the data it was made for, or train one from a config"
        )
    if [option.value for option in wanted.options] != [option.value for option in teacher.catalogue.options]:
        raise ConfigurationError(
            f"the teacher in {path} does not rate on the scale of these data; use the data it was made for, or train one"
        )
    items = [attrs.evolve(item, token=tokens[item.id]) for item in wanted.items]
    return teacher.model, Catalogue(items=items, options=teacher.catalogue.options)


TEACHER = Stage(name="teacher", folder="teacher", after=("data",), depends_on=_depends_on, execute=_execute)
