"""How a stage is settled: its result is kept, taken from another run, or the stage is performed."""

import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from shortstack.digests import damage, is_unchecked, read_record
from shortstack.full_disk import full_disks_named
from shortstack.pipeline.place import in_its_place
from shortstack.pipeline.provenance import recorded
from shortstack.pipeline.stage import Context, Stage
from shortstack.registry.expert_rows import unaligned_experts_named
from shortstack.run_layout import CACHE_RECORD, RECORD, TEACHER_STATES

_LOG = logging.getLogger(__name__)


def settle_all(context: Context, stages: Sequence[Stage]) -> dict[str, str]:
    """Perform the stages that are not done; return the keys of all by name. The first process decides which."""
    keys: dict[str, str] = {}
    for stage in stages:
        key = context.world.first(partial(stage.key, context, keys))
        if not context.world.first(partial(is_settled, stage, context, key)):
            perform(stage, context, key)
        keys[stage.name] = context.world.first(partial(stage.result_key, context, key))
    tell_of_the_unchecked(context, stages)
    return keys


def is_settled(stage: Stage, context: Context, key: str) -> bool:
    """Keep a stage's result if it has this key, else take that of another run; return False if there is neither."""
    _LOG.info("%s has the key %.8s, the result in %s has %.8s", stage.name, key, *_there(stage, context))
    if not is_whole(stage, context, key, f"{stage.name} is done again"):
        return _is_taken(stage, context, key)
    stage.tidy(context.root)
    stage.confirm(context)
    context.progress.kept(stage.name)
    return True


def _there(stage: Stage, context: Context) -> tuple[Path, str]:
    """Return where a stage's result is, and the key that it has; ``none`` where there is no result."""
    folder = context.root / stage.folder
    return folder, str(recorded(folder).get("key", "none"))


@unaligned_experts_named()
def perform(stage: Stage, context: Context, key: str) -> None:
    """Perform a stage, whatever is there, with the random states that the run's seed sets."""
    room = full_disks_named(context.root, f"the stage {stage.name!r}")
    with context.progress.stage(stage.name), room, in_its_place(context.root):
        _seed(context.run.seed)
        stage.perform(context, key)


def finished_stages(root: Path) -> dict[str, Path]:
    """Return the results of the finished stages in a run's folder, and its caches of teachers' states, by their keys."""
    records = {record.parent: read_record(record) or {} for record in sorted(root.glob(f"*/{RECORD}"))}
    return {record["key"]: folder for folder, record in records.items() if "key" in record} | finished_caches(root)


def finished_caches(root: Path) -> dict[str, Path]:
    """Return the complete caches of teachers' states in a run's folder, by their keys."""
    return {record.parent.name: record.parent for record in root.glob(f"{TEACHER_STATES}/*/{CACHE_RECORD}")}


def is_whole(stage: Stage, context: Context, key: str, remedy: str) -> bool:
    """Return whether a stage's result is there for this key, and as it was written; report what is damaged."""
    done = stage.is_done(context, key)
    found = damage(context.root / stage.folder) if done else _odd_record(stage, context.root / stage.folder / RECORD)
    if found:
        context.progress.note(f"{found}; {remedy}")
    return done and not found


def tell_of_the_unchecked(context: Context, stages: Iterable[Stage]) -> None:
    """Report the results of earlier versions, which have no digests."""
    unchecked = [stage.name for stage in stages if is_unchecked(context.root / stage.folder)]
    if unchecked:
        context.progress.note(
            f"{', '.join(unchecked)} kept unchecked: an earlier version of shortstack recorded no digests; what is removed is "
            "done again"
        )


@contextmanager
def random_states_kept() -> Iterator[None]:
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


def _is_taken(stage: Stage, context: Context, key: str) -> bool:
    """Take the result of another run that has this key, if there is one, and return whether there was."""
    source = context.finished.get(key)
    if source is None or not stage.is_result(context, source, key):
        return False
    found = damage(source)
    if found:
        context.progress.note(f"{found}; {stage.name} is done again")
        return False
    with full_disks_named(context.root, f"the stage {stage.name!r}"), in_its_place(context.root):
        stage.take(context.root, source, key)
        stage.confirm(context)
    context.progress.note(f"{stage.name}: taken from {source}")
    return True


def _odd_record(stage: Stage, path: Path) -> str:
    """Return what is wrong with the record of a result that is replaced, in words; empty if nothing, or there is none."""
    record = read_record(path)
    if record is None:
        return f"{path} is damaged"
    of = record.get("stage", stage.name)
    return "" if of == stage.name else f"{path} is damaged: it is the record of the stage {of!r}"


def _seed(seed: int) -> None:
    """Set the global random states, so that a stage does not depend on what ran before it."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries below still read the global state
    torch.manual_seed(seed)
