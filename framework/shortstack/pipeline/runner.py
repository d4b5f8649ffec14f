"""Runs the stages of a run in order, each keyed by what it depends on."""

import json
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.config.given import renew_digests
from shortstack.config.reader import unstructure
from shortstack.errors import RunFolderError
from shortstack.files import unfinished, write_json
from shortstack.pipeline.audit import AUDIT_STAGE, load_audit
from shortstack.pipeline.calibration import CALIBRATION_STAGE
from shortstack.pipeline.data import DATA_STAGE
from shortstack.pipeline.distillation import distillation_stage
from shortstack.pipeline.evaluation import evaluation_stage
from shortstack.pipeline.importance import importance_stage
from shortstack.pipeline.preflight import check
from shortstack.pipeline.provenance import keep_beside, kept_beside, replacement
from shortstack.pipeline.pruning import pruning_stage
from shortstack.pipeline.report import write_result
from shortstack.pipeline.scratch import scratch_stage
from shortstack.pipeline.selection import selection_stage
from shortstack.pipeline.stage import Context, Stage
from shortstack.pipeline.teacher import TEACHER_STAGE
from shortstack.planning.schedule import Round, rounds_of
from shortstack.posix import fcntl
from shortstack.run_layout import RUN

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.result import RunResult

__all__ = ["audit", "execute", "prepare"]


def _stages(run: "RunConfig") -> tuple[Stage, ...]:
    """Return all stages, in order: in each step a model is scored, pruned and distilled."""
    steps = rounds_of(run.selection)
    made_smaller = [stage for round_ in steps for stage in _made_smaller(round_)]
    scratch = (scratch_stage(steps),) if run.evaluation.scratch else ()  # an existing scratch model is left in place
    return (
        DATA_STAGE,
        TEACHER_STAGE,
        CALIBRATION_STAGE,
        *made_smaller,
        *scratch,
        evaluation_stage(steps, [stage.name for stage in scratch]),
    )


def _made_smaller(round_: Round) -> tuple[Stage, ...]:
    return (importance_stage(round_), selection_stage(round_), pruning_stage(round_), distillation_stage(round_))


def execute(
    run: "RunConfig", root: Path, *, registry: "Registry | None", progress: "Progress | None", keep: bool
) -> "RunResult":
    """Perform every stage that is not done, and write the result; see ``Run.execute``."""
    with _opened(run, root, registry, progress, keep=keep) as context:
        stages = _stages(run)
        keys = _settle_all(context, stages)
        known = AUDIT_STAGE.is_done(context, AUDIT_STAGE.key(context, keys))
        with context.progress.stage("report"):
            return write_result(context, stages, load_audit(root) if known else {})


def audit(run: "RunConfig", root: Path, *, registry: "Registry | None", progress: "Progress | None") -> "RunResult":
    """Perform every stage that is not done, audit the scorers, and write the result; see ``Run.audit``."""
    with _opened(run, root, registry, progress) as context:
        stages = _stages(run)
        _settle_all(context, (*stages, AUDIT_STAGE))
        with context.progress.stage("report"):
            return write_result(context, stages, load_audit(root))


def prepare(run: "RunConfig", root: Path, *, registry: "Registry | None", progress: "Progress | None") -> None:
    """Perform the data stage alone; see ``Run.prepare``."""
    with _opened(run, root, registry, progress) as context:
        _settle_all(context, (DATA_STAGE,))


@contextmanager
def _opened(
    run: "RunConfig", root: Path, registry: "Registry | None", progress: "Progress | None", *, keep: bool = False
) -> Iterator[Context]:
    """Check the run before any work, then hold its folder."""
    from shortstack.progress import default_progress
    from shortstack.registry import Registry

    registry = registry or Registry.from_environment()
    renew_digests(run)
    device = check(run, registry)
    progress = progress or default_progress()
    with _claimed(root), _random_states_kept():
        _tell_what_is_replaced(run, root, progress, keep=keep)
        # written before any stage: a folder of an interrupted run is recognised by it
        write_json(root / RUN, unstructure(run))
        yield Context(run=run, registry=registry, root=root, device=device, progress=progress)


def _tell_what_is_replaced(run: "RunConfig", root: Path, progress: "Progress", *, keep: bool) -> None:
    """Report that a folder's earlier result will be replaced, or keep it under another name."""
    old, new = replacement(root, run.to_mapping())
    if not old:
        return
    beside = f"is kept as {keep_beside(root)}" if keep else f"will be replaced; --keep keeps it as {kept_beside(root)}"
    progress.note(f"{root} holds a result of {old}; this run has {new}, and that result {beside}")


def _settle_all(context: Context, stages: Iterable[Stage]) -> dict[str, str]:
    """Perform the stages that are not done; return the keys of all by name."""
    keys: dict[str, str] = {}
    for stage in stages:
        key = stage.key(context, keys)
        _settle(stage, context, key)
        keys[stage.name] = stage.result_key(context, key)
    return keys


def _settle(stage: Stage, context: Context, key: str) -> None:
    """Keep a stage's result if it has this key, else perform the stage."""
    if stage.is_done(context, key):
        stage.tidy(context.root)
        stage.confirm(context)
        context.progress.kept(stage.name)
        return
    with context.progress.stage(stage.name):
        _seed(context.run.seed)
        stage.perform(context, key)


def _seed(seed: int) -> None:
    """Set the global random states, so that a stage does not depend on what ran before it."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries below still read the global state
    torch.manual_seed(seed)


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Restore the global random states of ``random``, numpy and torch on exit, so that the caller's draws are unaffected."""
    import numpy as np
    import torch

    plain, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002 -- the global state is what is kept
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(plain)
            np.random.set_state(arrays)  # noqa: NPY002


@contextmanager
def _claimed(root: Path) -> Iterator[None]:
    """Hold the run's folder against other writers.

    Raises:
        RunFolderError: It holds something that no run wrote, or another process holds it.
    """
    if root.exists() and not root.is_dir():
        raise RunFolderError(f"{root} is a file; name a new folder, or one that an earlier run wrote")
    if root.is_dir() and not _is_a_runs(root):
        raise RunFolderError(f"{root} holds something else; name a new folder, or one that an earlier run wrote")
    root.mkdir(parents=True, exist_ok=True)
    # a lock on the folder itself needs no lock file, and ends with the process
    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RunFolderError(f"another process is writing to {root}; wait for it or name another folder") from error
    finally:
        os.close(lock)


def _is_a_runs(root: Path) -> bool:
    """Return True if a folder is empty, or holds settings that a run wrote."""
    from shortstack.config.run import RunConfig

    # a kill during the first write of run.json leaves its temporary file alone
    if all(path.name == unfinished(root / RUN).name for path in root.iterdir()):
        return True
    try:
        tables = json.loads((root / RUN).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(tables, dict) and tables.keys() <= {field.name for field in attrs.fields(RunConfig)}
