"""Stage 4: which layers stay under the budget."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Probe, Selection
from shortstack.files import read_json, write_json
from shortstack.stages.importance import calibration_batches, load_scores
from shortstack.stages.stage import Context, Stage
from shortstack.written import code_behind

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shortstack.registry import Registry
    from shortstack.run import Run
    from shortstack.selection.selector import AdaptiveLayerSelector

SELECTED = "selection.json"


def _depends_on(run: "Run", registry: "Registry") -> object:  # noqa: ARG001 -- every stage takes both
    return [run.selection, code_behind(run.selection.strategy)]


def selector(run: "Run") -> "AdaptiveLayerSelector":
    """The selector that the settings ask for.

    Raises:
        ConfigurationError: The strategy is unknown, or the budget is not allowed.
    """
    from shortstack.selection.selector import AdaptiveLayerSelector, Budget, strategy_named

    settings = run.selection
    budget = Budget(
        keep_layers=settings.keep_layers,
        keep_ratio=settings.keep_ratio,
        parameters=settings.parameters,
        body_parameters=settings.body_parameters,
    )
    return AdaptiveLayerSelector(strategy=strategy_named(settings.strategy, settings.settings), budget=budget)


def _execute(context: Context, folder: Path) -> None:
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.objectives import candidate_objective
    from shortstack.importance.probe import ModelProbe
    from shortstack.stages.recommender import Recommender

    teacher = Recommender.load(context, "teacher")
    batches = checked_batches(calibration_batches(context, teacher), context.device)
    scores = load_scores(context.root / "importance")[context.run.selection.scorer].scores.tolist()
    probe = ModelProbe(teacher.model, batches, candidate_objective(teacher.candidates))
    write_json(folder / SELECTED, attrs.asdict(select(context.run, teacher.model, scores, probe)))


def select(run: "Run", teacher: "PreTrainedModel", scores: Sequence[float], probe: Probe) -> Selection:
    """What stays of a teacher by some scores, with the run's strategy and budget."""
    from shortstack.models.parameters import count_parameters

    count = count_parameters(teacher)
    return selector(run).select(
        scores,
        layer_parameters=count.layers,
        fixed_parameters=count.fixed,
        embedding_parameters=count.embeddings,
        probe=probe,
    )


def load_selection(root: Path) -> Selection:
    """Read what the stage wrote below a run's folder."""
    return Selection(**read_json(root / "selection" / SELECTED))


SELECTION = Stage(
    name="selection",
    folder="selection",
    after=("teacher", "importance"),
    depends_on=_depends_on,
    execute=_execute,
)
