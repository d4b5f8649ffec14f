"""The order of a study's stages: each as soon as its inputs are finished, and equal ones once for all runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ShortstackError, UnwritableError
from shortstack.pipeline.pieces import REPORT, Piece, UnfinishedRun
from shortstack.studies.executors import Ended, Executor, Work

if TYPE_CHECKING:
    from shortstack.progress import Progress


@attrs.define(kw_only=True, eq=False)
class Scheduler:
    """Leads the runs of a study to their ends, earlier ones first where there is a choice.

    A run waits for its own stage, or for that of another run that is the same work, whose result it then takes. So which
    stages are equal need not be known beforehand: it follows from their inputs, once these are finished.

    Attributes:
        runs: The runs by name, in order.
        finished: The results of finished stages by their keys, from which the runs take.
        executor: Performs the stages.
        progress: Receiver of reports.
        conclude: Receives the name of each run that is finished, or that failed, with the error.
    """

    runs: dict[str, UnfinishedRun]
    finished: dict[str, Path]
    executor: Executor
    progress: "Progress"
    conclude: Callable[[str, Exception | None], None]
    _left: dict[str, None] = attrs.field(init=False)
    _awaited: dict[str, Piece] = attrs.field(init=False, factory=dict)
    _at_work: set[str] = attrs.field(init=False, factory=set)
    _failed: dict[str, Exception] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._left = dict.fromkeys(self.runs)

    def complete(self) -> None:
        """Perform all that is not finished.

        Raises:
            UnwritableError: A result cannot be written: a full disk is no fault of one run, and would end the others too.
        """
        self._begin()
        while self._at_work:
            for ended in self.executor.ended():
                self._end(ended)
            self._begin()

    def _begin(self) -> None:
        """Submit what each run awaits, unless another run's equal stage is at work, while the executor has room."""
        for name in list(self._left):
            if len(self._at_work) >= self.executor.slots:
                return
            piece = self._awaited.get(name) or self._next(name)
            if piece is not None and piece.work not in self._at_work:
                self.executor.submit(Work(name=name, piece=piece))
                self._at_work.add(piece.work)

    def _next(self, name: str) -> Piece | None:
        """Return what a run awaits after all that is finished; None if it failed."""
        run = self.runs[name]
        if run.is_new:
            self.progress.note(f"run {list(self.runs).index(name) + 1} of {len(self.runs)}: {name}")
        try:
            piece = run.next_piece()
        except UnwritableError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever ends one run, the others go on
            self._conclude([name], error)
            return None
        if piece.work in self._failed:
            self._conclude([name], self._failed[piece.work])
            return None
        self._awaited[name] = piece
        return piece

    def _end(self, ended: Ended) -> None:
        """Let the runs that awaited a piece of work go on, or fail with it."""
        name, piece, error = ended.work.name, ended.work.piece, ended.error
        if isinstance(error, UnwritableError):
            raise error
        self._at_work.remove(piece.work)
        waiting = [other for other, awaited in self._awaited.items() if awaited.work == piece.work]
        for other in waiting:
            del self._awaited[other]
        if isinstance(error, ShortstackError) and error.of_one_run:
            self._conclude([name], error)
        elif error is not None:
            self._failed[piece.work] = error
            self._conclude(waiting, error)
        elif piece.stage == REPORT:
            self._conclude([name], None)
        else:
            self.finished |= self.runs[name].performed(piece)

    def _conclude(self, names: list[str], error: Exception | None) -> None:
        for name in names:
            del self._left[name]
            self.conclude(name, error)
