"""Stage 5: selection of the layers that are kept within the budget."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.boundaries import read_as
from shortstack.contracts import Probe, Selection
from shortstack.files import read_json, write_json
from shortstack.pipeline.calibration import calibration_batches
from shortstack.pipeline.importance import load_scores
from shortstack.pipeline.layer_costs import costs_for, timed
from shortstack.pipeline.stage import Context, Stage
from shortstack.planning.schedule import Round, composed, require_smaller, within
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import SELECTED, TEACHER
from shortstack.selection.selector import selector_for

if TYPE_CHECKING:
    from shortstack.config.budget import Cost
    from shortstack.config.run import RunConfig
    from shortstack.config.run_tables import SelectionSettings
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry", round_: Round) -> object:
    settings = round_.settings(run.selection)
    parts = [settings, source_digest_of_name(settings.strategy)]
    if selector_for(settings).budget.measure is None:
        return parts
    # an architecture may make layers narrower, so that more of them fit into a budget of parameters, bytes or time
    return [*parts, run.student, registry.find("student", run.student.architecture).identity]


def _execute(context: Context, folder: Path, round_: Round) -> None:
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.objectives import candidate_objective
    from shortstack.importance.probe import ModelProbe
    from shortstack.importance.probe_cache import CachedProbe, ProbeCache
    from shortstack.pipeline.stage_model import StageModel

    source = StageModel.run_together(context, round_.source)
    batches = calibration_batches(context)
    scores = load_scores(context.root / round_.importance)[context.run.selection.scorer].scores.tolist()
    examples, objective = checked_batches(batches, context.device), candidate_objective(source.candidates)
    model = ModelProbe(source.model, examples, objective, world=context.world)
    settings = _resolved(context, round_)
    # measured by one, which all must believe
    costs = context.world.first(partial(costs_for, context, round_, source.model, batches[0]))
    with (
        context.progress.job(
            # an upper bound: greedy removal tries every remaining layer in each round
            f"passes of {round_.named('selection')}",
            total=len(scores) * (len(scores) + 1) // 2,
        ) as advance,
        ProbeCache.of(
            folder.with_name("passes"), advance, context.world
        ) as answers,  # keeps the passes of an interrupted run
    ):
        selection = select(settings, scores, costs, CachedProbe(model, answers))
    require_smaller(len(selection.kept), selection.of, round_)
    if not context.world.is_first:
        return
    if "latency_ms" in costs:
        selection = timed(selection, source.model, batches[0], settings.latency_batch_size, costs["latency_ms"])
    before = round_.before
    whole = selection if before is None else composed(load_selection(context.root, before), selection)
    budget = selector_for(round_.settings(context.run.selection)).budget.describe(of=whole.of)
    write_json(folder / SELECTED, attrs.asdict(attrs.evolve(whole, budget=budget)))


def _resolved(context: Context, round_: Round) -> "SelectionSettings":
    """Return the settings of a step, with a share of the teacher's layers as a number, for fewer layers are left."""
    from transformers import AutoConfig

    settings = round_.settings(context.run.selection)
    if round_.before is None or settings.keep_ratio is None:
        return settings
    layers = AutoConfig.from_pretrained(context.root / TEACHER).get_text_config().num_hidden_layers
    return attrs.evolve(settings, keep_ratio=None, keep_layers=selector_for(settings).budget.layers(of=layers))


def select(
    settings: "SelectionSettings", scores: Sequence[float], costs: "Mapping[str, Cost]", probe: Probe
) -> Selection:
    """Select layers by their scores, with a strategy and a budget."""
    return selector_for(settings).select(scores, costs=costs, probe=probe)


def load_selection(root: Path, round_: Round | None = None) -> Selection:
    """Read which of the run's teacher's layers are kept after a step, by default the last one."""
    path = root / ("selection" if round_ is None else round_.named("selection")) / SELECTED
    with read_as(path, "is damaged", "remove its folder, and the next run makes it again"):
        return Selection(**read_json(path))


def own_selection(root: Path, round_: Round) -> Selection:
    """Read which layers a step kept of the model that it pruned."""
    whole = load_selection(root, round_)
    return whole if round_.before is None else within(load_selection(root, round_.before), whole)


def selection_stage(round_: Round) -> Stage:
    """Return the stage that selects layers in this step."""
    return Stage(
        name=round_.named("selection"),
        folder=round_.named("selection"),
        after=tuple(dict.fromkeys(("teacher", "calibration", round_.made_by, round_.importance, *_earlier(round_)))),
        depends_on=partial(_depends_on, round_=round_),
        execute=partial(_execute, round_=round_),
        shared=True,
    )


def _earlier(round_: Round) -> tuple[str, ...]:
    return () if round_.before is None else (round_.before.named("selection"),)
