"""Stage 4: which layers stay under the budget."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.contracts import Probe, Selection
from shortstack.files import read_json, write_json
from shortstack.stages.importance import calibration_batches, load_scores
from shortstack.stages.stage import Context, Stage
from shortstack.stages.steps import Step, composed, require_smaller, within
from shortstack.written import code_behind

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shortstack.registry import Registry
    from shortstack.run import Run, SelectionSettings
    from shortstack.selection.selector import AdaptiveLayerSelector

FILE: Final = "selection.json"


def _depends_on(run: "Run", registry: "Registry", step: Step) -> object:  # noqa: ARG001 -- every stage takes both
    return [step.settings(run.selection), code_behind(run.selection.strategy)]


def selector(settings: "SelectionSettings") -> "AdaptiveLayerSelector":
    """The selector that the settings ask for.

    Raises:
        ConfigurationError: The strategy is unknown, or the budget is not allowed.
    """
    from shortstack.selection.selector import AdaptiveLayerSelector, Budget, strategy_named

    budget = Budget(
        keep_layers=settings.keep_layers,
        keep_ratio=settings.keep_ratio,
        parameters=settings.parameters,
        body_parameters=settings.body_parameters,
    )
    return AdaptiveLayerSelector(strategy=strategy_named(settings.strategy, settings.settings), budget=budget)


def _execute(context: Context, folder: Path, step: Step) -> None:
    from shortstack.importance.answers import Answers, KeptProbe
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.objectives import candidate_objective
    from shortstack.importance.probe import ModelProbe
    from shortstack.stages.recommender import Recommender

    source = Recommender.load(context, step.source)
    batches = checked_batches(calibration_batches(context, source), context.device)
    scores = load_scores(context.root / step.importance)[context.run.selection.scorer].scores.tolist()
    model = ModelProbe(source.model, batches, candidate_objective(source.candidates))
    settings = _resolved(context, step)
    with (
        context.progress.job(
            f"passes of {step.named('selection')}", total=len(scores) * (len(scores) + 1) // 2
        ) as told,
        Answers.of(folder.with_name("passes"), told) as answers,  # a killed try's are still there
    ):
        own = select(settings, source.model, scores, KeptProbe(model, answers))
    require_smaller(len(own.kept), own.of, step)
    before = step.before
    whole = own if before is None else composed(load_selection(context.root, before), own)
    budget = selector(step.settings(context.run.selection)).budget.describe(of=whole.of)
    write_json(folder / FILE, attrs.asdict(attrs.evolve(whole, budget=budget)))


def _resolved(context: Context, step: Step) -> "SelectionSettings":
    """The settings of a step; a share of the run's teacher becomes a number, for less than the teacher is left."""
    from transformers import AutoConfig

    from shortstack.models.parameters import count_parameters
    from shortstack.selection.budgets import Costs

    settings = step.settings(context.run.selection)
    if step.before is None:
        return settings
    count = count_parameters(AutoConfig.from_pretrained(context.root / "teacher"))
    teacher = Costs(layers=count.layers, fixed=count.fixed, embeddings=count.embeddings)
    return attrs.evolve(settings, **attrs.asdict(selector(settings).budget.resolved(teacher)))


def select(settings: "SelectionSettings", model: "PreTrainedModel", scores: Sequence[float], probe: Probe) -> Selection:
    """What stays of a model by some scores, with a strategy and a budget."""
    from shortstack.models.parameters import count_parameters

    count = count_parameters(model)
    return selector(settings).select(
        scores,
        layer_parameters=count.layers,
        fixed_parameters=count.fixed,
        embedding_parameters=count.embeddings,
        probe=probe,
    )


def load_selection(root: Path, step: Step | None = None) -> Selection:
    """What stays of the run's teacher after a step, by default the last; read below a run's folder."""
    return Selection(**read_json(root / ("selection" if step is None else step.named("selection")) / FILE))


def own_selection(root: Path, step: Step) -> Selection:
    """What a step left of the model that it made smaller."""
    whole = load_selection(root, step)
    return whole if step.before is None else within(load_selection(root, step.before), whole)


def selection_stage(step: Step) -> Stage:
    """The choice of this step."""
    return Stage(
        name=step.named("selection"),
        folder=step.named("selection"),
        after=tuple(dict.fromkeys(("teacher", step.made_by, step.importance, *_earlier(step)))),
        depends_on=partial(_depends_on, step=step),
        execute=partial(_execute, step=step),
    )


def _earlier(step: Step) -> tuple[str, ...]:
    return () if step.before is None else (step.before.named("selection"),)
