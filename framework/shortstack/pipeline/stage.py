"""A stage: a named step of a run with a folder of its own, done once for each state of what it depends on."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.config.writer import unstructure
from shortstack.digests import contents, damage, link, seal, write_record
from shortstack.errors import RunFolderError
from shortstack.files import read_json, write_through, written_whole
from shortstack.pipeline.declared import with_declared_types
from shortstack.pipeline.provenance import recorded
from shortstack.posix import peak_resident_bytes
from shortstack.processes import ALONE, World
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.run_layout import KEY, RECORD, TRAINING

if TYPE_CHECKING:
    import torch

    from shortstack.config.run import RunConfig
    from shortstack.progress import Progress
    from shortstack.registry import Registry


TIMED = frozenset({TRAINING})
"""Files that no later stage reads, and that hold times, which differ between equal results."""


@attrs.frozen(kw_only=True, eq=False)
class Context:
    """The objects that every stage works with.

    Attributes:
        run: The settings.
        registry: The plugins.
        root: The run's folder.
        device: The device of all models.
        progress: Receiver of progress reports.
        finished: Results of other runs that may be taken, by the keys of their stages.
        world: The processes of the run; the first one writes.
    """

    run: "RunConfig"
    registry: "Registry"
    root: Path
    device: "torch.device"
    progress: "Progress"
    finished: Mapping[str, Path] = attrs.field(factory=dict)
    world: World = ALONE

    @property
    def is_sharded(self) -> bool:
        """True if models are divided among the processes, for they may not fit into one device."""
        return self.run.is_sharded and self.world.size > 1

    @property
    def place(self) -> "torch.device | str":
        """Where models are changed, or wait to be divided: the device, or the CPU if they may not fit into the device."""
        return "cpu" if self.is_sharded else self.device


@attrs.frozen(kw_only=True, eq=False)
class Stage:
    """One step of a run.

    Attributes:
        name: Its name in reports.
        folder: Its result's folder, below the run's folder.
        after: The stages whose results it reads.
        depends_on: The settings that change its result, plugin versions included.
        execute: Writes the result into an empty folder of its own. Returns what ``reads`` would return, if that is set.
            Called in the first process alone, unless the work is ``shared``.
        looks_at: The part of earlier results that changes its result, where it does not depend on all of them.
        reads: Returns a digest of what it reads from outside the run's folder; None where it reads nothing.
        names: The settings that say what that is, where it reads something.
        shared: True if ``execute`` is called in every process, and divides its work among them; only the first one writes.
    """

    name: str
    folder: str
    after: tuple[str, ...]
    depends_on: "Callable[[RunConfig, Registry], object]"
    execute: Callable[[Context, Path], str | None]
    looks_at: Callable[[Context], object] | None = None
    reads: Callable[[Context], str] | None = None
    names: "Callable[[RunConfig], object] | None" = None
    shared: bool = False

    def key(self, context: Context, keys: Mapping[str, str]) -> str:
        """Return a hash of all that the result depends on, except what is read from outside the run's folder."""
        parts = [self.name, self._settings(context.run, context.registry), [keys[name] for name in self.after]]
        if self.looks_at is not None:
            parts.append(self.looks_at(context))
        return _hashed(parts)

    def planned_key(self, run: "RunConfig", registry: "Registry", keys: Mapping[str, str]) -> str:
        """Return a hash of what the result depends on as far as that is known before any work.

        Runs with equal planned keys share the result; others may too, if earlier results come out equal.

        Args:
            run: The settings.
            registry: The plugins.
            keys: Planned keys of the stages before it.
        """
        after = self.after if self.looks_at is None else sorted(keys)
        parts = [self.name, self._settings(run, registry), [keys[name] for name in after]]
        return self.work_key(run, registry, _hashed(parts))

    def work_key(self, run: "RunConfig", registry: "Registry", key: str) -> str:
        """Return the key with what the run's settings name outside its folder: runs that share it do the same work."""
        if self.names is None:
            return key
        return _hashed([key, unstructure(self.names(with_declared_types(run, registry)))])

    def _settings(self, run: "RunConfig", registry: "Registry") -> Any:
        return unstructure(self.depends_on(with_declared_types(run, registry), registry))

    def result_key(self, context: Context, key: str) -> str:
        """Return the key with the digests of what the existing result read from outside, and of the result itself.

        So what is made from a result is made again if that was done again and differs.
        """
        record = recorded(context.root / self.folder)
        parts = [part for part in (record.get("read"), contents(record, but=TIMED)) if part is not None]
        return _hashed([key, *parts]) if parts else key

    def is_done(self, context: Context, key: str) -> bool:
        """Return True if the folder holds the result for this key, made from data that are still the same."""
        return self.is_result(context, context.root / self.folder, key)

    def is_result(self, context: Context, folder: Path, key: str) -> bool:
        """Return True if a folder, of this run or another, holds the result for this key, from the same data."""
        record = recorded(folder)
        return record.get("key") == key and (self.reads is None or record.get("read") == self.reads(context))

    def confirm(self, context: Context) -> None:
        """Record the existing result as one of this run, though another run may have made it."""
        record, settings = recorded(context.root / self.folder), context.run.to_mapping()
        if record.get("run") != settings:
            write_record(context.root / self.folder / RECORD, {**record, "run": settings})

    def perform(self, context: Context, key: str) -> None:
        """Perform the stage beside the old result, then replace that atomically.

        A kill at any moment leaves either the old result or the new; the next run resumes from what is there.
        ``execute`` finds its folder empty, and may keep checkpoints beside it until it is done. Every process of the run
        calls this.
        """
        result = self._work(context.root) / "result"
        if context.world.first(partial(self._begin, result, key)):
            start = perf_counter()
            read = self._executed(context, result)
            peak = max(context.world.gather(_peak_memory(context.device)))
            taken = {"seconds": perf_counter() - start, "peak_memory_bytes": peak}
            made = {"stage": self.name, "key": key, "read": read, **taken}
            context.world.first(partial(seal, result, RECORD, {**made, "run": context.run.to_mapping()}))
        context.world.first(partial(self._end, context.root, result))

    def _begin(self, result: Path, key: str) -> bool:
        """Return whether the result is still to be made, in an empty folder; a killed run may have left it complete."""
        # an outside source may have changed since
        if self.reads is None and recorded(result).get("key") == key and not damage(result):
            return False
        _start_afresh(result.parent, key)
        shutil.rmtree(result, ignore_errors=True)
        result.mkdir()
        return True

    def _executed(self, context: Context, result: Path) -> str | None:
        execute = partial(self.execute, context, result)
        return execute() if self.shared else context.world.first(execute)

    def _end(self, root: Path, result: Path) -> None:
        _put_in_place(result, root / self.folder)
        self.tidy(root)

    def take(self, root: Path, source: Path, key: str) -> None:
        """Put the result in another run's folder in place, hard-linked where possible.

        A stage never writes into the files of an earlier result, so both may share them. A kill at any moment leaves
        what ``perform`` goes on from.
        """
        work = self._work(root)
        _start_afresh(work, key)
        shutil.rmtree(work / "result", ignore_errors=True)
        result = Path(shutil.copytree(source, work / "result", copy_function=link))
        write_through(result)
        _put_in_place(result, root / self.folder)
        self.tidy(root)

    def tidy(self, root: Path) -> None:
        """Remove what an interrupted run left beside a finished result."""
        shutil.rmtree(self._work(root), ignore_errors=True)
        shutil.rmtree(_old(root / self.folder), ignore_errors=True)

    def _work(self, root: Path) -> Path:
        return root / f".{self.folder}.partial"


def _start_afresh(work: Path, key: str) -> None:
    """Remove the unfinished work of another key; keep that of this key."""
    marker = work / KEY
    if not (marker.is_file() and marker.read_bytes() == key.encode()):
        (work / "result" / RECORD).unlink(missing_ok=True)  # first, so that half a removal cannot pass for a result
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        with written_whole(marker) as partial:
            partial.write_text(key)


def _peak_memory(device: "torch.device") -> int:
    """Return the peak memory of this process in bytes: allocated on the GPU if it runs there, else resident."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return peak_resident_bytes()


def with_digests(names: Iterable[str]) -> list[list[str]]:
    """Return the names of user-defined objects, each with a digest of its code."""
    return [[name, source_digest_of_name(name)] for name in names]


def judged_by(run: "RunConfig") -> list[object]:
    """Return what decides which checkpoint of a training is kept: part of the key of every trained model."""
    return [run.evaluation.seen, run.evaluation.selected_by, with_digests(run.evaluation.metrics)]


def training_of(folder: Path) -> dict[str, Any]:
    """Return the record that ``pipeline.training`` wrote; empty for a model that was only loaded, or is not there."""
    path = folder / TRAINING
    return dict(read_json(path)) if path.is_file() else {}


def _hashed(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _put_in_place(result: Path, target: Path) -> None:
    if target.exists() and not (target / RECORD).is_file():
        raise RunFolderError(f"{target} is no result of a run; move it away, so that it is not lost")
    shutil.rmtree(_old(target), ignore_errors=True)
    if target.exists():
        # a rename cannot replace a folder that is not empty
        target.rename(_old(target))
    result.rename(target)
    write_through(target.parent)


def _old(target: Path) -> Path:
    """Return the path that a result is moved to while the next one replaces it."""
    return target.with_name(f".{target.name}.old")
