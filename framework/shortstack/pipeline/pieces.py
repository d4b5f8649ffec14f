"""A run in pieces: what is finished is settled here, and each stage that is left may be performed by another process."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.errors import ConfigurationError
from shortstack.pipeline.runner import held, report, stages_of, started
from shortstack.pipeline.settling import finished_caches, is_settled, perform, tell_of_the_unchecked
from shortstack.pipeline.stage import Context, Stage

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.progress import Progress
    from shortstack.registry import Registry

REPORT: Final = "report"
"""Name of the last piece, which writes the result: no stage, for it has no folder."""


@attrs.frozen(kw_only=True)
class Piece:
    """A stage of a run that is to be performed; or its report, after all stages.

    Attributes:
        run: The settings of the run.
        root: The run's folder.
        stage: Name of the stage.
        key: Hash of all that its result depends on, but for what it reads from outside the run's folder.
        work: The same with that: pieces of other runs with it have an equal result. That of a report is the run's own.
        finished: Results of other runs that the stage may take, by their keys.
    """

    run: "RunConfig"
    root: Path
    stage: str
    key: str
    work: str
    finished: Mapping[str, Path]


@attrs.define(kw_only=True, eq=False)
class UnfinishedRun:
    """A run whose stages are performed elsewhere, one after the other.

    Attributes:
        context: The run, and results of other runs that may be taken; they may become more meanwhile.
        is_new: True until the folder was looked at.
    """

    context: Context
    _stages: tuple[Stage, ...] = attrs.field(
        init=False, default=attrs.Factory(lambda self: stages_of(self.context.run), takes_self=True)
    )
    _keys: dict[str, str] = attrs.field(init=False, factory=dict)
    is_new: bool = attrs.field(init=False, default=True)

    def next_piece(self) -> Piece:
        """Keep or take all that is finished, and return what is to be performed next: a stage, or at last the report.

        Raises:
            ShortstackError: A setting or an earlier result is wrong, or another process holds the folder.
        """
        with held(self.context):
            if self.is_new:
                started(self.context)
                self.is_new = False
            for stage in self._stages[len(self._keys) :]:
                key = stage.key(self.context, self._keys)
                if not is_settled(stage, self.context, key):
                    return self._piece(stage.name, key, stage.work_key(self.context.run, self.context.registry, key))
                self._settled(stage, key)
            tell_of_the_unchecked(self.context, self._stages)
        own = f"{REPORT} {self.context.root}"
        return self._piece(REPORT, own, own)

    def performed(self, piece: Piece) -> dict[str, Path]:
        """Go on behind a stage that another process has performed; return what it has left for other runs, by its keys."""
        stage = self._stages[len(self._keys)]
        self._settled(stage, piece.key)
        return {piece.key: self.context.root / stage.folder, **finished_caches(self.context.root)}

    def _settled(self, stage: Stage, key: str) -> None:
        self._keys[stage.name] = stage.result_key(self.context, key)

    def _piece(self, stage: str, key: str, work: str) -> Piece:
        finished = dict(self.context.finished)
        return Piece(run=self.context.run, root=self.context.root, stage=stage, key=key, work=work, finished=finished)


def unfinished(
    run: "RunConfig", root: Path, *, registry: "Registry", progress: "Progress", finished: Mapping[str, Path]
) -> UnfinishedRun:
    """Return a run that was checked already, whose folder may hold a part of it.

    Args:
        run: The settings.
        root: The run's folder.
        registry: The plugins.
        progress: Receiver of reports of what is kept and taken.
        finished: Results of other runs, by the keys of their stages.
    """
    return UnfinishedRun(context=attrs.evolve(_context(run, root, registry, progress), finished=finished))


def perform_piece(piece: Piece, *, registry: "Registry", progress: "Progress") -> None:
    """Perform a stage whose earlier stages are done, or write the result.

    Raises:
        ConfigurationError: The stage has another key here: this machine has other plugins or code.
        ShortstackError: The stage failed, or another process holds the folder.
    """
    context = attrs.evolve(_context(piece.run, piece.root, registry, progress), finished=piece.finished)
    with held(context):
        keys: dict[str, str] = {}
        for stage in stages_of(piece.run):
            key = stage.key(context, keys)
            if stage.name == piece.stage:
                _require_same_key(piece, key)
                perform(stage, context, key)
                return
            keys[stage.name] = stage.result_key(context, key)
        report(context, keys)


def _require_same_key(piece: Piece, key: str) -> None:
    if key != piece.key:
        raise ConfigurationError(
            f"the stage {piece.stage!r} of {piece.root} depends on other things in the process that performs it (key {key[:8]}) than "
            f"in the one that planned it ({piece.key[:8]}); install the same versions of shortstack and its plugins everywhere"
        )


def _context(run: "RunConfig", root: Path, registry: "Registry", progress: "Progress") -> Context:
    from shortstack.models.devices import device_named

    return Context(run=run, registry=registry, root=root, device=device_named(run.device), progress=progress)
