"""A run before any work: what its preflight refuses, which stages it would do, and what they would take."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ShortstackError, SourceNotFoundError
from shortstack.pipeline.claim import require_a_runs
from shortstack.pipeline.data import DATA_STAGE
from shortstack.pipeline.preflight import check
from shortstack.pipeline.runner import prepare, stages_of, tell_what_is_replaced
from shortstack.pipeline.settling import is_whole, random_states_kept
from shortstack.pipeline.stage import Context, Stage
from shortstack.planning.forecast import Forecaster
from shortstack.planning.plan import Forecast
from shortstack.planning.workload import Histories
from shortstack.progress import Collected, Silent
from shortstack.run_layout import DATA
from shortstack.teachers.config import teacher_config

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.progress import Progress
    from shortstack.registry import Registry


@attrs.frozen(kw_only=True)
class StageOutlook:
    """What a run would do with one of its stages.

    Attributes:
        stage: Name of the stage.
        kept: Whether the folder holds its result for these settings and data.
        estimate: Time and memory; None for stages without passes of a model, and where they are not known.
    """

    stage: str
    kept: bool
    estimate: Forecast | None


@attrs.frozen(kw_only=True)
class Outlook:
    """What a run would do.

    Attributes:
        stages: All its stages, in order. One that is not kept may still be taken as it is, if the results before it come out
            equal to those that it was made from.
        notes: What the run would say first, and why an estimate is missing.
    """

    stages: tuple[StageOutlook, ...]
    notes: tuple[str, ...]

    @property
    def left(self) -> tuple[StageOutlook, ...]:
        """The stages that the run would do."""
        return tuple(stage for stage in self.stages if not stage.kept)

    @property
    def seconds(self) -> float:
        """Estimated time of what is left: passes of models alone."""
        return sum(stage.estimate.seconds for stage in self.left if stage.estimate)

    @property
    def memory_bytes(self) -> float:
        """Estimated peak of memory of what is left."""
        return max((stage.estimate.memory_bytes for stage in self.left if stage.estimate), default=0.0)


def outlook(run: "RunConfig", root: Path | None, *, registry: "Registry", processes: int) -> Outlook:
    """Check a run and estimate its stages, without a change to any folder; see ``Run.check``."""
    device, progress = check(run, registry), Collected()
    with tempfile.TemporaryDirectory() as new, random_states_kept():
        context = Context(run=run, registry=registry, root=root or Path(new), device=device, progress=progress)
        require_a_runs(context.root)
        tell_what_is_replaced(run, context.root, progress, keep=False)
        kept = _kept(context)
        estimates = (
            {} if all(kept.values()) else _estimates(context, _data(context, kept=kept[DATA_STAGE.name]), processes)
        )
    stages = (StageOutlook(stage=stage, kept=is_kept, estimate=estimates.get(stage)) for stage, is_kept in kept.items())
    return Outlook(stages=tuple(stages), notes=tuple(progress.notes))


def _kept(context: Context) -> dict[str, bool]:
    """Return which stages' results are there: of those whose earlier results are, for the keys of others are not known."""
    keys: dict[str, str] = {}
    kept: dict[str, bool] = {}
    for stage in stages_of(context.run):
        before = stage.after if stage.looks_at is None else tuple(kept)
        kept[stage.name] = all(name in keys for name in before) and _is_there(stage, context, keys)
        if kept[stage.name]:
            keys[stage.name] = stage.result_key(context, stage.key(context, keys))
    return kept


def _is_there(stage: Stage, context: Context, keys: Mapping[str, str]) -> bool:
    return is_whole(stage, context, stage.key(context, keys), f"{stage.name} would be done again")


def _data(context: Context, *, kept: bool) -> Histories:
    """Return the kept data; else do the data stage in a temporary folder, as the run will: it refuses wrong data."""
    run = context.run
    if kept:
        return Histories.load(context.root / DATA, run)
    with tempfile.TemporaryDirectory() as folder:
        prepare(run, Path(folder), registry=context.registry, progress=Silent())
        return Histories.load(Path(folder) / DATA, run)


def _estimates(context: Context, data: Histories, processes: int) -> dict[str, Forecast]:
    """Return the estimate of each stage by its name; note why some are not known.

    Raises:
        ConfigurationError: A window exceeds the teacher's positions, or a model does not fit into memory.
    """
    try:
        config = teacher_config(context.run)
    except SourceNotFoundError as error:  # the preflight lets a name on the hub pass, which the run looks up
        context.progress.note(f"time and memory are not known: {error}")
        return {}
    forecaster = Forecaster.of(context.run, config, registry=context.registry, data=data)
    forecaster.shapes.require_memory(context.device)
    return dict(_known(attrs.evolve(forecaster, processes=processes), context.progress))


def _known(forecaster: Forecaster, progress: "Progress") -> Iterator[tuple[str, Forecast]]:
    """Yield the estimates up to the first that cannot be made."""
    try:
        for estimate in forecaster.stages():
            yield estimate.stage, estimate
    except ShortstackError as error:
        progress.note(f"time and memory are not known of all stages: {error}")
