"""On request: how far each scorer agrees with the oracle, and what the choice of each costs before distillation."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.files import read_json, write_json
from shortstack.pipeline.calibration import calibration_batches
from shortstack.pipeline.importance import asked as asked_scorers
from shortstack.pipeline.importance import load_scores
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
"""Seconds after which a scorer's cost is not measured again."""
DRAWS = 3
"""How often layers are drawn at random: one draw alone may be lucky."""


def _depends_on(run: "RunConfig", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [run.evaluation, run.seed]


def _execute(context: Context, folder: Path) -> None:
    import numpy as np

    from shortstack.audit.auditing import ORACLE, Audit
    from shortstack.importance.probe_cache import ProbeCache
    from shortstack.pipeline.stage_model import StageModel

    teacher = StageModel.load(context, TEACHER)
    found = load_scores(context.root / IMPORTANCE)
    with (
        context.progress.job("passes of audit", total=_passes(found)) as passed,
        ProbeCache.of(folder.with_name("passes"), passed) as answers,  # a killed try's are still there
    ):
        probes = _probes(context, teacher, answers)
        audit = Audit.of(found, probes, context.run.evaluation.resamples, context.run.seed)
        everyone = {**audit.scores, ORACLE: np.array(audit.oracle["loss"])}
        chosen = load_selection(context.root)
        choices = _choices(context, teacher, everyone, audit.probes["loss"], len(chosen.kept))
        told: dict[str, Any] = {
            "examples": audit.probes["loss"].examples,
            "budget": chosen.budget,
            "oracle": audit.oracle,
            "agreement": {name: audit.agreement(name) for name in audit.scores},
            "between": audit.between(),
            "losses": {name: audit.losses(scores, len(chosen.kept)) for name, scores in everyone.items()},
            "pruned": {name: {"kept": list(layers), "loss": audit.loss(layers)} for name, layers in choices.items()},
            "details": {name: dict(one.details) for name, one in found.items() if one.details},
        }
    quality, selected_by = _quality(context, teacher, {*choices.values()}), headlines_of(context.run).selected_by
    for name, layers in choices.items():
        told["pruned"][name][selected_by] = quality[layers]
    told["forwards"] = _forwards(context, teacher, everyone)
    write_json(folder / AUDITED, told)


def _passes(found: "Mapping[str, Importance]") -> int:
    """How many there are, if no choice is the same as another, and the strategy asks for none of its own."""
    from shortstack.audit.auditing import sizes

    layers = len(next(iter(found.values())).scores)
    return 1 + layers + (len(found) + 1) * (len(sizes(layers)) + 1) + len(BY_POSITION) + DRAWS


def _probes(context: Context, teacher: "StageModel", answers: "ProbeCache") -> dict[str, Any]:
    """The teacher on the calibration examples, in loss and in what models are selected by; each set of layers runs once.

    Of what was shown nothing is asked there: a click is ranked among all items.
    """
    from torch import Tensor, stack

    from shortstack.audit.columns import Column
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

    probe = CachedProbe(ModelProbe(teacher.model, batches, over_candidates(teacher.candidates, both)), answers)
    return {name: Column(probe=probe, number=number) for number, name in enumerate(("loss", selected_by))}


def _choices(
    context: Context, teacher: "StageModel", scores: "Mapping[str, Scores]", probe: "Probe", size: int
) -> dict[str, tuple[int, ...]]:
    """What stays by each scorer with the run's strategy, by position alone, and all layers."""
    settings, step = attrs.evolve(context.run.selection, schedule=()), Round(number=1, steps=1)
    costs = costs_for(context, step, teacher.model, calibration_batches(context)[0])
    kept = {name: select(settings, one.tolist(), costs, probe).kept for name, one in scores.items()}
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
    """The teacher with some of its layers alone on the validation cases, with its interval over users.

    Never on the test users: who reads an audit may choose by it.
    """
    from shortstack.models.decoder import Decoder
    from shortstack.models.partial_passes import skipping

    asked = task_evaluation(context, "valid", in_full=False)
    decoder, selected_by = Decoder.of(teacher.model), asked.headlines.selected_by
    found = dict[tuple[int, ...], tuple[float, float, float] | None]()
    with context.progress.job("choices in audit", total=len(choices)) as step:
        for kept in choices:
            pruned = skipping(decoder, set(range(len(decoder.layers))) - {*kept}).model
            evaluation = asked.evaluate(asked.candidate(attrs.evolve(teacher, model=pruned)))
            value, ends = evaluation.metrics[selected_by], evaluation.intervals[selected_by]
            found[kept] = None if value is None or ends is None else (value, *ends)
            step(len(found))
    return found


def _forwards(context: Context, teacher: "StageModel", scorers: Iterable[str]) -> dict[str, float]:
    """What each scorer costs when it is asked for alone, in forward passes over the same examples: a ratio of seconds.

    The oracle's is that of the first batch: it costs each batch as much, and has been run once already.
    """
    from shortstack.audit.auditing import ORACLE
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.measure import measure_importance
    from shortstack.importance.objectives import candidate_objective
    from shortstack.importance.probe import ModelProbe

    batches, objective = calibration_batches(context), candidate_objective(teacher.candidates)
    settings = asked_scorers(context.run.importance)

    def forward(batches: list[dict[str, Any]]) -> None:
        ModelProbe(teacher.model, checked_batches(batches, context.device), objective).log_probability()

    def measure(name: str, batches: list[dict[str, Any]]) -> None:
        asked = {name: settings.get(name, {})}
        measure_importance(teacher.model, batches, asked, objective=objective, registry=context.registry)

    first = batches[:1]
    whole, part = (_seconds(partial(forward, some)) for some in (batches, first))
    found = {ORACLE: _seconds(partial(measure, ORACLE, first)) / part}
    others = [name for name in scorers if name != ORACLE]
    with context.progress.job("costs in audit", total=len(others)) as step:
        for number, name in enumerate(others, start=1):
            found[name] = _seconds(partial(measure, name, batches)) / whole
            step(number)
    return found


def _seconds(work: Callable[[], None]) -> float:
    """The least of three, or the first where it takes so long that chance is small in it."""
    found: list[float] = []
    while len(found) < 3 and sum(found) < LONG:
        start = perf_counter()
        work()
        found.append(perf_counter() - start)
    return min(found)


def load_audit(root: Path) -> dict[str, Any]:
    """What the stage wrote below a run's folder."""
    return dict(read_json(root / AUDIT / AUDITED))


AUDIT_STAGE = Stage(
    name="audit",
    folder=AUDIT,
    after=("data", "teacher", "calibration", "importance", "selection"),
    depends_on=_depends_on,
    execute=_execute,
)
"""Not one of a run's stages: ``Run.audit`` asks for it."""
