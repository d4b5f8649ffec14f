"""Runs the stages of a run in order, each keyed by what it depends on."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.config.given import renew_digests
from shortstack.config.writer import unstructure
from shortstack.digests import write_record
from shortstack.full_disk import full_disks_named
from shortstack.pipeline.accord import require_alike, require_shared
from shortstack.pipeline.audit import AUDIT_STAGE, load_audit
from shortstack.pipeline.calibration import CALIBRATION_STAGE
from shortstack.pipeline.claim import claimed, is_a_runs
from shortstack.pipeline.data import DATA_STAGE
from shortstack.pipeline.distillation import distillation_stage
from shortstack.pipeline.evaluation import evaluation_stage
from shortstack.pipeline.importance import importance_stage
from shortstack.pipeline.preflight import check
from shortstack.pipeline.provenance import keep_beside, kept_beside, replacement
from shortstack.pipeline.pruning import pruning_stage
from shortstack.pipeline.report import write_result
from shortstack.pipeline.sasrec import SASREC_STAGE
from shortstack.pipeline.scratch import scratch_stage
from shortstack.pipeline.selection import selection_stage
from shortstack.pipeline.settling import is_whole, random_states_kept, settle_all
from shortstack.pipeline.stage import Context, Stage
from shortstack.pipeline.teacher import TEACHER_STAGE
from shortstack.planning.schedule import Round, rounds_of
from shortstack.processes import World, joined
from shortstack.run_layout import RUN

if TYPE_CHECKING:
    import torch

    from shortstack.config.run import RunConfig
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.result import RunResult

__all__ = ["audit", "execute", "held", "prepare", "report", "stages_of", "started", "tell_what_is_replaced"]


def stages_of(run: "RunConfig") -> tuple[Stage, ...]:
    """Return all stages, in order: in each step a model is scored, pruned and distilled."""
    steps = rounds_of(run.selection)
    made_smaller = [stage for round_ in steps for stage in _made_smaller(round_)]
    scratch = (scratch_stage(steps),) if run.evaluation.scratch else ()  # an existing scratch model is left in place
    rivals = (*scratch, *((SASREC_STAGE,) if run.evaluation.sasrec else ()))
    return (
        DATA_STAGE,
        TEACHER_STAGE,
        CALIBRATION_STAGE,
        *made_smaller,
        *rivals,
        evaluation_stage(steps, [stage.name for stage in rivals]),
    )


def _made_smaller(round_: Round) -> tuple[Stage, ...]:
    return (importance_stage(round_), selection_stage(round_), pruning_stage(round_), distillation_stage(round_))


def execute(
    run: "RunConfig", root: Path, *, registry: "Registry | None", progress: "Progress | None", keep: bool
) -> "RunResult":
    """Perform every stage that is not done, and write the result; see ``Run.execute``."""
    with _opened(run, root, registry, progress, keep=keep) as context:
        keys = settle_all(context, stages_of(run))
        return context.world.first(partial(report, context, keys))


def report(context: Context, keys: Mapping[str, str]) -> "RunResult":
    """Write the result of a run whose stages are all done, with its audit if there is one.

    Args:
        context: The run.
        keys: The keys of all its stages by name.
    """
    key = AUDIT_STAGE.key(context, keys)
    known = is_whole(AUDIT_STAGE, context, key, "'shortstack audit' does it again, and the result is without it")
    with context.progress.stage("report"):
        return write_result(context, stages_of(context.run), load_audit(context.root) if known else {})


def audit(run: "RunConfig", root: Path, *, registry: "Registry | None", progress: "Progress | None") -> "RunResult":
    """Perform every stage that is not done, audit the scorers, and write the result; see ``Run.audit``."""
    with _opened(run, root, registry, progress) as context:
        stages = stages_of(run)
        keys = settle_all(context, (*stages, AUDIT_STAGE))
        return context.world.first(partial(report, context, keys))


def prepare(run: "RunConfig", root: Path, *, registry: "Registry | None", progress: "Progress | None") -> None:
    """Perform the data stage alone; see ``Run.prepare``."""
    with _opened(run, root, registry, progress) as context:
        settle_all(context, (DATA_STAGE,))


@contextmanager
def _opened(
    run: "RunConfig", root: Path, registry: "Registry | None", progress: "Progress | None", *, keep: bool = False
) -> Iterator[Context]:
    """Check the run before any work, then hold its folder; in several processes, the first one holds it."""
    from shortstack.progress import Silent, default_progress
    from shortstack.registry import Registry

    registry = registry or Registry.from_environment()
    renew_digests(run)
    with joined() as group:
        world = attrs.evolve(group, in_step=run.is_sharded)
        require_alike(world, run, registry)
        device = check(run, registry, world)
        progress = (progress or default_progress()) if world.is_first else Silent()
        context = Context(run=run, registry=registry, root=root, device=device, progress=progress, world=world)
        with held(context):
            world.first(partial(started, context, keep=keep))
            require_shared(world, root)
            _tell_of_idle_gpus(device, world, progress)
            if run.is_sharded and world.size == 1:
                progress.note(
                    'parallel = "fsdp" divides nothing in one process; --processes N shares the model among N'
                )
            yield context


def _tell_of_idle_gpus(device: "torch.device", world: World, progress: "Progress") -> None:
    """Report that one process uses one GPU of several."""
    import torch

    count = torch.cuda.device_count() if device.type == "cuda" else 0
    if world.size == 1 and count > 1:
        progress.note(
            f"one of this machine's {count} GPUs is used; --processes {count} shares the work among all of them"
        )


@contextmanager
def held(context: Context) -> Iterator[Context]:
    """Hold a run's folder against other writers, and leave the process's random states as they were."""
    root = context.root
    with full_disks_named(root, f"a result in {root}"), ExitStack() as claims, random_states_kept():
        context.world.first(partial(claims.enter_context, claimed(root)))
        yield context


def started(context: Context, *, keep: bool = False) -> None:
    """Write a run's settings into its folder; report that an earlier result will be replaced, or keep it."""
    run, root, progress = context.run, context.root, context.progress
    tell_what_is_replaced(run, root, progress, keep=keep)
    # written before any stage: a folder of an interrupted run is recognised by it
    write_record(root / RUN, unstructure(run))


def tell_what_is_replaced(run: "RunConfig", root: Path, progress: "Progress", *, keep: bool) -> None:
    """Report that a folder's earlier result will be replaced, or keep it under another name."""
    if root.joinpath(RUN).is_file() and not is_a_runs(root):
        progress.note(f"{root / RUN} is damaged; it is written anew with the settings of this run")
    old, new = replacement(root, run.to_mapping())
    if not old:
        return
    beside = f"is kept as {keep_beside(root)}" if keep else f"will be replaced; --keep keeps it as {kept_beside(root)}"
    progress.note(f"{root} holds a result of {old}; this run has {new}, and that result {beside}")
