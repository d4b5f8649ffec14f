"""Stage 4: importance of each layer for the task, by every scorer, from one sweep."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortstack.boundaries import read_as
from shortstack.contracts import Importance
from shortstack.files import read_json, write_json
from shortstack.pipeline.calibration import calibration_batches, drawn_batches
from shortstack.pipeline.stage import Context, Stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import SCORES

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.config.run_tables import ImportanceSettings
    from shortstack.pipeline.stage_model import StageModel
    from shortstack.registry import Registry


def _depends_on(run: "RunConfig", registry: "Registry") -> object:
    from shortstack.importance.scorers import Scorers

    built = Scorers.of(requested_scorers(run.importance), registry).built  # those that others are made from among them
    return [requested_scorers(run.importance), run.seed, [registry.find("scorer", name).identity for name in built]]


def requested_scorers(settings: "ImportanceSettings") -> dict[str, object]:
    """Return the scorers of a run: name → settings."""
    return {name: settings.settings.get(name, {}) for name in settings.scorers}


def _execute(context: Context, folder: Path, round_: Round) -> None:
    from shortstack.importance.measure import measure_importance
    from shortstack.importance.objectives import candidate_objective
    from shortstack.pipeline.stage_model import StageModel

    settings = context.run.importance
    teacher = StageModel.run_together(context, round_.source)
    scores = measure_importance(
        teacher.model,
        calibration_batches(context),
        requested_scorers(settings),
        objective=candidate_objective(teacher.candidates),
        registry=context.registry,
        world=context.world,
    )
    if context.world.is_first:
        write_json(folder / SCORES, {name: _plain(importance) for name, importance in scores.items()})


def rehearse_sweep(context: Context, teacher: "StageModel") -> None:
    """Put one batch through a teacher that is not yet trained, for every scorer, and discard the scores.

    A signal that a scorer needs and the model family does not provide is found before hours of training, not after.

    Raises:
        ShortstackError: A scorer does not get a signal that it needs.
    """
    from shortstack.importance.calibration import checked_batches
    from shortstack.importance.guarded_calls import GuardedCalls
    from shortstack.importance.objectives import candidate_objective
    from shortstack.importance.scorers import Scorers
    from shortstack.importance.sweep import sweep

    scorers = Scorers.of(requested_scorers(context.run.importance), context.registry)
    batch = checked_batches(drawn_batches(context, teacher.catalogue)[:1], teacher.model.device)
    objective = candidate_objective(teacher.candidates)
    sweep(teacher.model, batch, scorers.folds, objective, calls=GuardedCalls(scorers.components))


def load_scores(folder: Path) -> dict[str, Importance]:
    """Read the scores that the stage wrote."""
    import torch

    with read_as(folder / SCORES, "is damaged", "remove its folder, and the next run makes it again"):
        return {
            name: Importance(
                scores=torch.tensor(plain["scores"], dtype=torch.float64),
                examples=plain["examples"],
                details=plain["details"],
            )
            for name, plain in read_json(folder / SCORES).items()
        }


def _plain(importance: Importance) -> dict[str, Any]:
    return {
        "scores": importance.scores.tolist(),
        "examples": importance.examples,
        "details": dict(importance.details),
    }


def importance_stage(round_: Round) -> Stage:
    """Return the stage that scores the layers of the model that this step prunes."""
    return Stage(
        name=round_.importance,
        folder=round_.importance,
        after=("data", "calibration", round_.made_by),
        depends_on=_depends_on,
        execute=partial(_execute, round_=round_),
        shared=True,
    )
