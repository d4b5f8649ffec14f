"""Audit of the scorers, on request: agreement with the oracle, and quality of each scorer's selection before distillation."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.files import read_json, write_json
from shortstack.pipeline.calibration import calibration_batches
from shortstack.pipeline.importance import load_scores, requested_scorers
from shortstack.pipeline.layer_costs import costs_for
from shortstack.pipeline.selection import load_selection, select
from shortstack.pipeline.stage import Context, Stage
from shortstack.pipeline.task_evaluation import headlines_of, task_evaluation
from shortstack.planning.schedule import Round
from shortstack.run_layout import AUDIT, AUDITED, IMPORTANCE, TEACHER

if TYPE_CHECKING:
    from shortstack.audit.agreement import Scores
    from shortstack.config.run import RunConfig
    from shortstack.contracts import Importance, Probe
    from shortstack.importance.probe_cache import ProbeCache
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.registry import Registry

BY_POSITION = ("first", "last", "ends", "uniform")
LONG = 5.0
"""Seconds of measuring after which a scorer's cost is not measured again."""
DRAWS = 3
"""Number of random selections; a single draw may be lucky."""


def _depends_on(run: "RunConfig", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [run.evaluation, run.seed]


def _execute(context: Context, folder: Path) -> None:
    import numpy as np

    from shortstack.audit.auditing import ORACLE, Audit
    from shortstack.importance.probe_cache import ProbeCache
    from shortstack.pipeline.stage_model import StageModel

    teacher = StageModel.on_device(context, TEACHER)
    importances = load_scores(context.root / IMPORTANCE)
    with (
        context.progress.job("passes of audit", total=_passes(importances)) as passed,
        ProbeCache.of(
            folder.with_name("passes"), passed, context.world
        ) as answers,  # keeps the passes of an interrupted run
    ):
        probes = _probes(context, teacher, answers)
        audit = Audit.of(importances, probes, context.run.evaluation.resamples, context.run.seed)
        everyone = {**audit.scores, ORACLE: np.array(audit.oracle["loss"])}
        chosen = load_selection(context.root)
        choices = _choices(context, teacher, everyone, audit.probes["loss"], len(chosen.kept))
        record: dict[str, Any] = {
            "examples": audit.probes["loss"].examples,
            "budget": chosen.budget,
            "oracle": audit.oracle,
            "agreement": {name: audit.agreement(name) for name in audit.scores},
            "between": audit.between(),
            "losses": {name: audit.losses(scores, len(chosen.kept)) for name, scores in everyone.items()},
            "pruned": {name: {"kept": list(layers), "loss": audit.loss(layers)} for name, layers in choices.items()},
            "details": {
                name: dict(importance.details) for name, importance in importances.items() if importance.details
            },
        }
    # a set, for scorers that agree select the same layers, which need one evaluation
    quality, selected_by = _quality(context, teacher, {*choices.values()}), headlines_of(context.run).selected_by
    for name, layers in choices.items():
        record["pruned"][name][selected_by] = quality[layers]
    if context.world.is_first:
        record["forwards"] = _forwards(context, teacher, everyone)
        write_json(folder / AUDITED, record)


def _passes(importances: "Mapping[str, Importance]") -> int:
    """Return the number of passes if no two selections coincide and the strategy makes none of its own."""
    from shortstack.audit.auditing import sizes

    layers = len(next(iter(importances.values())).scores)
    return 1 + layers + (len(importances) + 1) * (len(sizes(layers)) + 1) + len(BY_POSITION) + DRAWS


def _probes(context: Context, teacher: "StageModel", answers: "ProbeCache") -> dict[str, Any]:
    """Return probes of the teacher on the calibration examples: loss and selection metric; each set of layers runs once.

    Impressions play no part here: a clicked item is ranked among all items.
    """
    from torch import Tensor, stack

    from shortstack.audit.columns import ProbeColumn
    from shortstack.evaluation.objectives import ranked
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.probe import ModelProbe
    from shortstack.importance.probe_cache import CachedProbe
    from shortstack.models.objectives import log_probabilities, over_candidates

    batches = list(checked_batches(calibration_batches(context), context.device))
    selected_by = headlines_of(context.run).selected_by
    metric, _, cutoff = ("hr@1" if selected_by == "accuracy" else selected_by).partition("@")
    rank = ranked(metric, int(cutoff))

    def both(logits: Tensor, targets: Tensor) -> Tensor:
        return stack([log_probabilities(logits, targets).double(), rank(logits, targets)], 1)

    model = ModelProbe(teacher.model, batches, over_candidates(teacher.candidates, both), world=context.world)
    probe = CachedProbe(model, answers)
    return {name: ProbeColumn(probe=probe, number=number) for number, name in enumerate(("loss", selected_by))}


def _choices(
    context: Context, teacher: "StageModel", scores: "Mapping[str, Scores]", probe: "Probe", size: int
) -> dict[str, tuple[int, ...]]:
    """Return the layers kept: all of them, by each scorer with the run's strategy, and by position alone."""
    # the audit compares selections of the teacher itself, so later steps of a schedule do not apply
    settings, round_ = attrs.evolve(context.run.selection, schedule=()), Round(number=1, steps=1)
    costs = costs_for(context, round_, teacher.model, calibration_batches(context)[0])
    kept = {name: select(settings, values.tolist(), costs, probe).kept for name, values in scores.items()}
    layers = len(next(iter(scores.values())))
    return {"all layers": tuple(range(layers)), **kept, **_by_position(size, layers, context.run.seed)}


def _by_position(size: int, layers: int, seed: int) -> dict[str, tuple[int, ...]]:
    from shortstack.selection.selector import AdaptiveLayerSelector, Budget, strategy_named

    named = {name: strategy_named(name, {}) for name in BY_POSITION}
    named |= {f"random, seed {seed + draw}": strategy_named("random", {"seed": seed + draw}) for draw in range(DRAWS)}
    return {
        name: AdaptiveLayerSelector(strategy=strategy, budget=Budget(keep_layers=size)).select([0.0] * layers).kept
        for name, strategy in named.items()
    }


def _quality(
    context: Context, teacher: "StageModel", choices: Collection[tuple[int, ...]]
) -> dict[tuple[int, ...], tuple[float, float, float] | None]:
    """Return the selection metric on the validation cases, with its interval over users, for each set of kept layers.

    Test users are never used: a reader of the audit may choose a scorer by it.
    """
    from shortstack.models.decoder import Decoder
    from shortstack.models.partial_passes import skipping

    evaluator = task_evaluation(context, "valid", in_full=False)
    decoder, selected_by = Decoder.of(teacher.model), evaluator.headlines.selected_by
    qualities = dict[tuple[int, ...], tuple[float, float, float] | None]()
    with context.progress.job("choices in audit", total=len(choices)) as step:
        for kept in choices:
            pruned = skipping(decoder, set(range(len(decoder.layers))) - {*kept}).model
            evaluation = evaluator.evaluate(evaluator.candidate(attrs.evolve(teacher, model=pruned)))
            value, ends = evaluation.metrics[selected_by], evaluation.intervals[selected_by]
            qualities[kept] = None if value is None or ends is None else (value, *ends)
            step(len(qualities))
    return qualities


def _forwards(context: Context, teacher: "StageModel", scorers: Iterable[str]) -> dict[str, float]:
    """Return each scorer's cost when run alone, in forward passes over the same examples: a ratio of seconds.

    The oracle is timed on the first batch alone: its cost is the same for every batch, and it has already run once.
    """
    from shortstack.audit.auditing import ORACLE
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.measure import measure_importance
    from shortstack.importance.objectives import candidate_objective
    from shortstack.importance.probe import ModelProbe

    batches, objective = calibration_batches(context), candidate_objective(teacher.candidates)
    settings = requested_scorers(context.run.importance)

    def forward(batches: list[dict[str, Any]]) -> None:
        ModelProbe(teacher.model, checked_batches(batches, context.device), objective).log_probability()

    def measure(name: str, batches: list[dict[str, Any]]) -> None:
        scorer = {name: settings.get(name, {})}
        measure_importance(teacher.model, batches, scorer, objective=objective, registry=context.registry)

    first = batches[:1]
    whole, part = (_seconds(partial(forward, some)) for some in (batches, first))
    ratios = {ORACLE: _seconds(partial(measure, ORACLE, first)) / part}
    others = [name for name in scorers if name != ORACLE]
    with context.progress.job("costs in audit", total=len(others)) as step:
        for number, name in enumerate(others, start=1):
            ratios[name] = _seconds(partial(measure, name, batches)) / whole
            step(number)
    return ratios


def _seconds(work: Callable[[], None]) -> float:
    """Return the least of three timings, or the first if it is so long that noise matters little."""
    times: list[float] = []
    while len(times) < 3 and sum(times) < LONG:
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def load_audit(root: Path) -> dict[str, Any]:
    """Read the audit below a run's folder."""
    return dict(read_json(root / AUDIT / AUDITED))


AUDIT_STAGE = Stage(
    name="audit",
    folder=AUDIT,
    after=("data", "teacher", "calibration", "importance", "selection"),
    depends_on=_depends_on,
    execute=_execute,
    shared=True,
)
"""The audit stage; not part of every run: ``Run.audit`` adds it."""
