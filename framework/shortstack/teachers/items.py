"""A teacher that is there already meets the data's items: one that knows them, or a language model that has yet to."""

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
    """A language model, and the items as tokens that its vocabulary has grown by; or as words, where it is to rate them.

    Raises:
        ConfigurationError: It knows such tokens already, has no single tokens for the ratings, or reads less than a window.
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
    """A copy of the model that was given, in float32 on the CPU, and its tokenizer; None where a place was named.

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
    own = copy.deepcopy(model).to("cpu").float().eval()
    require_own(own, tokenizer, str(settings.path))
    return own, tokenizer


def given_tokenizer(settings: "TeacherSettings") -> "PreTrainedTokenizerBase | None":
    """A copy of the tokenizer that was given with a model, or the one in the folder that was; None for none."""
    from shortstack.models.stored import stored_tokenizer

    if settings.tokenizer is None:
        return None
    named = value_of(settings.tokenizer)
    return stored_tokenizer(Path(named)) if isinstance(named, str) else copy.deepcopy(named)


def brings_items(teacher: "TeacherSettings") -> bool:
    """Whether its path is a folder with a recommender and its items, or a recommender."""
    if isinstance(teacher.path, Given):
        return hasattr(teacher.path.value, "catalogue")
    return teacher.path is not None and (Path(teacher.path) / FILE).is_file()


def brought_catalogue(teacher: "TeacherSettings") -> Catalogue:
    """The items that a teacher brings."""
    if isinstance(teacher.path, Given):
        brought: Catalogue = teacher.path.value.catalogue
        return brought
    return Catalogue.load(Path(str(teacher.path)))


def items_in_words(run: "RunConfig") -> bool:
    """Whether the run's teacher reads items as words: it was stored so, or it is a language model that will rate."""
    if run.teacher.path is None:
        return False
    if brings_items(run.teacher):
        return brought_catalogue(run.teacher).in_words
    return feedback_of(task_of(run.task).reads).rates


def learns_items(run: "RunConfig") -> bool:
    """Whether each item becomes a token that the run's teacher is yet to learn."""
    return not brings_items(run.teacher) and not items_in_words(run)


def what_learns(fit: "FitSettings | None", in_words: bool) -> "Learning":
    """What a fit trains of a language model."""
    if fit is None:
        return "nothing"
    if fit.lora is None:
        return "all"
    return "little" if in_words else "embeddings"


def texts_of(settings: "TeacherSettings", catalogue: Catalogue) -> list[str]:
    """What each item is called."""
    return [_text(settings.items.template, item) for item in catalogue.items]


def _text(template: str, item: Item) -> str:
    """Nothing where the title is unknown: a template around nothing would start all such items alike."""
    named = item.title or "{title}" not in template
    return template.format(title=item.title, category=item.category, id=item.id).strip() if named else ""


def in_words(
    settings: "TeacherSettings", tokenizer: "PreTrainedTokenizerBase", texts: list[str], wanted: Catalogue
) -> Catalogue:
    """The items and ratings in a language model's words.

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
    """A whole window of the longest items fits into what the model reads."""
    from shortstack.models.decoder import most_tokens

    require_positions(most_tokens(model), catalogue.longest(window) + 1, window, in_words=catalogue.in_words)


def require_positions(positions: int | None, longest: int, window: int, *, in_words: bool) -> None:
    """So many tokens fit into what a model reads.

    Raises:
        ConfigurationError: They do not.
    """
    if positions is not None and longest > positions:
        raise ConfigurationError(
            f"a window of {window} items may be {longest:,} tokens, but the model reads {positions:,}; make task.settings.window "
            f"{'or teacher.prompt.longest ' if in_words else ''}smaller"
        )


def trained_before(
    settings: "TeacherSettings", wanted: Catalogue, window: int
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase | None, Catalogue]":
    """Load a teacher, in float32, and give the data's items the tokens that it knows them by.

    Raises:
        ConfigurationError: It was made for another task, its vocabulary does not hold all the items, or it reads less than
            a window.
    """
    from shortstack.recommender import Recommender

    given = value_of(settings.path)
    teacher = copy.deepcopy(given) if isinstance(given, Recommender) else Recommender.from_pretrained(str(given))
    catalogue = known_to(str(settings.path), teacher.catalogue, wanted)
    _require_positions(teacher.model, window, catalogue)
    return teacher.model.float(), teacher.tokenizer, catalogue


def known_to(path: str, known: Catalogue, wanted: Catalogue) -> Catalogue:
    """The data's items as the teacher in a folder knows them.

    Raises:
        ConfigurationError: It does not.
    """
    tokens = {item.id: item for item in known.items}
    missing = [item for item in wanted.items if item.id not in tokens]
    if missing:
        raise ConfigurationError(
            f"the teacher in {path} does not cover the items: {len(missing)} of {len(wanted)} have no token, for "
            f"example {missing[0].id!r} ({missing[0].title}); use the data it was made for, or train one from a config"
        )
    if bool(known.options) != bool(wanted.options):
        made, asked = ("rate", "rank") if known.options else ("rank", "rate")
        raise ConfigurationError(
            f"the teacher in {path} was made to {made} items, and this task is to {asked} them; name one that was made for it"
        )
    if [option.value for option in wanted.options] != [option.value for option in known.options]:
        raise ConfigurationError(
            f"the teacher in {path} does not rate on the scale of these data; use the data it was made for, or train one"
        )
    items = [attrs.evolve(item, token=tokens[item.id].token, words=tokens[item.id].words) for item in wanted.items]
    return attrs.evolve(known, items=items)
