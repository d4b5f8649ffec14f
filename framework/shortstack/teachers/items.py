"""The data's items for a pretrained teacher: one that was trained on them, or a language model that learns them."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.config.given import Given, value_of
from shortstack.data.catalogue import FILE, Catalogue, Item, Option
from shortstack.errors import ConfigurationError
from shortstack.tasks import feedback_of, task_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from shortstack.config.run import RunConfig
    from shortstack.config.run_tables import TeacherSettings
    from shortstack.config.training import FitSettings
    from shortstack.models.memory_needs import Learning


def pretrained(
    settings: "TeacherSettings", wanted: Catalogue, *, window: int, seed: int
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase, Catalogue]":
    """Load a language model, and add the items as tokens to its vocabulary; or spell them in words, where it rates them.

    Raises:
        ConfigurationError: Its vocabulary has such tokens already or no single tokens for the ratings, or a window exceeds
            its positions.
    """
    from shortstack.models.item_tokens import add_item_tokens
    from shortstack.models.language_models import language_model
    from shortstack.models.verbalizer import opening_of

    model, tokenizer = given_language_model(settings) or language_model(str(settings.path))
    texts = texts_of(settings, wanted)
    if wanted.options:
        catalogue = in_words(settings, tokenizer, texts, wanted)
    else:
        opening = opening_of(tokenizer, settings.items.opening)
        tokens = add_item_tokens(model, tokenizer, texts, start=settings.items.start, seed=seed)
        items = [attrs.evolve(item, token=token) for item, token in zip(wanted.items, tokens, strict=True)]
        catalogue = Catalogue(items=items, opening=opening)
    _require_positions(model, window, catalogue)
    return model, tokenizer, catalogue


def given_language_model(
    settings: "TeacherSettings",
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase] | None":
    """Return a copy of a model that was passed as an object, in float32 on the CPU, with its tokenizer; None for a path.

    Raises:
        ConfigurationError: It is no model of transformers, or came without its tokenizer.
    """
    from transformers import PreTrainedModel

    from shortstack.models.language_models import require_own

    if not isinstance(settings.path, Given):
        return None
    model = settings.path.value
    if not isinstance(model, PreTrainedModel):
        raise ConfigurationError(
            f"teacher takes a model of transformers, a Recommender, a config or a path, got a {type(model).__name__}"
        )
    tokenizer = given_tokenizer(settings)
    if tokenizer is None:
        raise ConfigurationError(
            f"the teacher {settings.path} came without its tokenizer, which says what the items' texts are to it; give "
            "teacher=(model, tokenizer)"
        )
    copied = copy.deepcopy(model).to("cpu").float().eval()
    require_own(copied, tokenizer, str(settings.path))
    return copied, tokenizer


def given_tokenizer(settings: "TeacherSettings") -> "PreTrainedTokenizerBase | None":
    """Return a copy of the tokenizer that was passed, or the one in the folder that was named; None if neither was."""
    from shortstack.models.stored import stored_tokenizer

    if settings.tokenizer is None:
        return None
    named = value_of(settings.tokenizer)
    return stored_tokenizer(Path(named)) if isinstance(named, str) else copy.deepcopy(named)


def brings_items(teacher: "TeacherSettings") -> bool:
    """Return True if the teacher is a recommender with its items, as a folder or as an object."""
    if isinstance(teacher.path, Given):
        return hasattr(teacher.path.value, "catalogue")
    return teacher.path is not None and (Path(teacher.path) / FILE).is_file()


def brought_catalogue(teacher: "TeacherSettings") -> Catalogue:
    """Return the catalogue of a teacher that is a recommender."""
    if isinstance(teacher.path, Given):
        brought: Catalogue = teacher.path.value.catalogue
        return brought
    return Catalogue.load(Path(str(teacher.path)))


def items_in_words(run: "RunConfig") -> bool:
    """Return True if the run's teacher reads items as words: it was stored so, or is a language model that rates."""
    if run.teacher.path is None:
        return False
    if brings_items(run.teacher):
        return brought_catalogue(run.teacher).in_words
    return feedback_of(task_of(run.task).reads).rates


def learns_items(run: "RunConfig") -> bool:
    """Return True if each item becomes a new token that the run's teacher learns."""
    return not brings_items(run.teacher) and not items_in_words(run)


def what_learns(fit: "FitSettings | None", in_words: bool) -> "Learning":
    """Return which parameters a fit trains."""
    if fit is None:
        return "nothing"
    if fit.lora is None:
        return "all"
    # tokens of new items have rows that must be trained beside the adapters
    return "little" if in_words else "embeddings"


def texts_of(settings: "TeacherSettings", catalogue: Catalogue) -> list[str]:
    """Return the text of each item, by the template."""
    return [_text(settings.items.template, item) for item in catalogue.items]


def _text(template: str, item: Item) -> str:
    """Return an item's text; empty if its title is unknown, for the bare template would start all such items alike."""
    named = item.title or "{title}" not in template
    return template.format(title=item.title, category=item.category, id=item.id).strip() if named else ""


def in_words(
    settings: "TeacherSettings", tokenizer: "PreTrainedTokenizerBase", texts: list[str], wanted: Catalogue
) -> Catalogue:
    """Return the items and ratings as tokens of a language model's own vocabulary.

    Raises:
        ConfigurationError: It has no single tokens for the ratings, or no item has a text.
    """
    from shortstack.models.verbalizer import spell

    if not any(texts):
        raise ConfigurationError(
            "no item has a text that a language model could read; name a template in teacher.items.template, or give titles"
        )
    values = [option.value for option in wanted.options]
    spelling = spell(tokenizer, texts, values, **attrs.asdict(settings.prompt))
    items = [
        attrs.evolve(item, token=words[0], words=words)
        for item, words in zip(wanted.items, spelling.items, strict=True)
    ]
    options = [Option(value=value, token=token) for value, token in zip(values, spelling.options, strict=True)]
    return Catalogue(items=items, options=options, opening=spelling.opening)


def _require_positions(model: "PreTrainedModel", window: int, catalogue: Catalogue) -> None:
    """Raise if a window of the longest items exceeds the positions of the model."""
    from shortstack.models.decoder import most_tokens

    require_positions(most_tokens(model), catalogue.longest(window) + 1, window, in_words=catalogue.in_words)


def require_positions(positions: int | None, longest: int, window: int, *, in_words: bool) -> None:
    """Raise if an example of ``longest`` tokens exceeds a model's positions.

    Raises:
        ConfigurationError: It does.
    """
    if positions is not None and longest > positions:
        raise ConfigurationError(
            f"a window of {window} items may be {longest:,} tokens, but the model reads {positions:,}; make task.settings.window "
            f"{'or teacher.prompt.longest ' if in_words else ''}smaller"
        )


def trained_before(
    settings: "TeacherSettings", wanted: Catalogue, window: int
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase | None, Catalogue]":
    """Load a recommender as the teacher, in float32, and give the data's items its tokens.

    Raises:
        ConfigurationError: It was made for another task, its vocabulary does not hold all the items, or a window exceeds
            its positions.
    """
    from shortstack.recommender import Recommender

    source = value_of(settings.path)
    teacher = copy.deepcopy(source) if isinstance(source, Recommender) else Recommender.from_pretrained(str(source))
    catalogue = known_to(str(settings.path), teacher.catalogue, wanted)
    _require_positions(teacher.model, window, catalogue)
    return teacher.model.float(), teacher.tokenizer, catalogue


def known_to(path: str, known: Catalogue, wanted: Catalogue) -> Catalogue:
    """Return the data's items with the tokens of a recommender.

    Raises:
        ConfigurationError: It lacks some of them, or was made for another task or scale of ratings.
    """
    tokens = {item.id: item for item in known.items}
    missing = [item for item in wanted.items if item.id not in tokens]
    if missing:
        raise ConfigurationError(
            f"the teacher in {path} does not cover the items: {len(missing)} of {len(wanted)} have no token, for "
            f"example {missing[0].id!r} ({missing[0].title}); use the data it was made for, or train one from a config"
        )
    if bool(known.options) != bool(wanted.options):
        made, wanted_verb = ("rate", "rank") if known.options else ("rank", "rate")
        raise ConfigurationError(
            f"the teacher in {path} was made to {made} items, and this task is to {wanted_verb} them; name one that was made for it"
        )
    if [option.value for option in wanted.options] != [option.value for option in known.options]:
        raise ConfigurationError(
            f"the teacher in {path} does not rate on the scale of these data; use the data it was made for, or train one"
        )
    items = [attrs.evolve(item, token=tokens[item.id].token, words=tokens[item.id].words) for item in wanted.items]
    return attrs.evolve(known, items=items)
