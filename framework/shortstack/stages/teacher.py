"""Stage 2: a teacher that knows the task, either loaded or trained from its config."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.data.catalogue import FILE, Catalogue, Item
from shortstack.errors import ConfigurationError
from shortstack.files import digest
from shortstack.stages.stage import Context, Stage
from shortstack.written import code_behind

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

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


def _execute(context: Context, folder: Path) -> None:
    from shortstack.distillation.fitting import FitSettings
    from shortstack.models.initial import initial_config, initial_model
    from shortstack.stages.recommender import Recommender
    from shortstack.stages.training import train

    settings, catalogue = context.run.teacher, Catalogue.load(context.root / "data")
    tokenizer = None
    if settings.path is None:
        model = initial_model(initial_config(settings.config or {}, vocabulary=catalogue.vocabulary))
    elif (Path(settings.path) / FILE).is_file():
        model, catalogue = _stored(Path(settings.path), catalogue)
    else:
        model, tokenizer, catalogue = _pretrained(context, settings.path, catalogue)
    teacher = Recommender.of(context, model, catalogue, tokenizer)
    fit = settings.fit or (FitSettings() if settings.path is None else None)
    if fit is None:
        teacher.save(folder)
    else:
        train(context, "teacher", teacher, fit, folder, losses={"labels": 1.0})


def _pretrained(
    context: Context, path: str, wanted: Catalogue
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase, Catalogue]":
    """A language model whose vocabulary has grown by the items.

    Raises:
        ConfigurationError: It does not fit into memory, or knows such tokens already.
    """
    from shortstack.models.item_tokens import add_item_tokens
    from shortstack.models.language_models import language_model
    from shortstack.models.memory_needs import require_memory

    settings = context.run.teacher
    if wanted.options:
        raise ConfigurationError(
            "the task 'rating' does not take a pretrained language model yet; train one from a config"
        )
    if Path(path).is_dir():
        from transformers import AutoConfig

        require_memory(AutoConfig.from_pretrained(path), context.device, trained=settings.fit is not None)
    model, tokenizer = language_model(path)
    texts = [_text(settings.items.template, item) for item in wanted.items]
    tokens = add_item_tokens(model, tokenizer, texts, start=settings.items.start, seed=context.run.seed)
    items = [attrs.evolve(item, token=token) for item, token in zip(wanted.items, tokens, strict=True)]
    return model, tokenizer, Catalogue(items=items)


def _text(template: str, item: Item) -> str:
    """Nothing where the title is unknown: a template around nothing would start all such items alike."""
    named = item.title or "{title}" not in template
    return template.format(title=item.title, category=item.category, id=item.id).strip() if named else ""


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
