"""Stages in several processes on this machine, among which its threads and GPUs are divided."""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import attrs

from shortstack.studies.executors.executor import RETRIES, Ended, Work, died
from shortstack.studies.executors.worker import Done, Share, serve

if TYPE_CHECKING:
    from pathlib import Path

    from shortstack.progress import Progress


@attrs.define(eq=False)
class _Worker:
    """A process that performs one piece of work after the other, and is started anew when it died."""

    share: Share
    work: Work | None = None
    tries: int = 0
    process: BaseProcess | None = None
    ours: Connection | None = None

    def begin(self, work: Work) -> None:
        """Send some work to the process."""
        self.work, self.tries = work, self.tries + 1
        with suppress(ConnectionError):  # it died while it had no work: that is heard when its end is awaited
            self.alive().send_bytes(pickle.dumps(work))

    def alive(self) -> Connection:
        """Return the connection to the process, which is started if there is none."""
        if self.ours is None:
            # spawned, not forked: threads and GPUs that this process uses do not survive a fork
            context = multiprocessing.get_context("spawn")
            self.ours, theirs = context.Pipe()
            self.process = context.Process(target=serve, args=(theirs, self.share))
            self.process.start()
            theirs.close()  # so that ours ends when the process does
        return self.ours

    def buried(self) -> str:
        """Wait for the process that died, and return how, in words."""
        if self.process is None or self.ours is None:
            return "was never started"
        self.process.join()
        code = self.process.exitcode or 0
        self.ours.close()
        self.process = self.ours = None
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.buried()


class LocalProcesses:
    """Performs as many stages at a time as there are processes; one that dies is replaced, and its stage tried again.

    A process ends as soon as its parent does, however that ended.
    """

    def __init__(self, jobs: int, *, folder: "Path", progress: "Progress") -> None:
        """Prepare the processes; each is started when there is work for it.

        Args:
            jobs: Their number.
            folder: The folder in which each says that it is at work.
            progress: Receiver of their lines.
        """
        self.slots, self._progress = jobs, progress
        self._workers = [_Worker(share) for share in shares(jobs, folder)]

    def submit(self, work: Work) -> None:
        """Send some work to a process that has none."""
        worker = next(worker for worker in self._workers if worker.work is None)
        worker.tries = 0
        worker.begin(work)

    def ended(self) -> Sequence[Ended]:
        """Pass on the processes' lines until one has done its work, or died too often."""
        ended: list[Ended] = []
        while not ended:
            busy = {
                worker.ours: worker for worker in self._workers if worker.ours is not None and worker.work is not None
            }
            heard = [
                self._heard(busy[connection]) for connection in wait(list(busy)) if isinstance(connection, Connection)
            ]
            ended = [end for end in heard if end is not None]
        return ended

    def close(self) -> None:
        """End all processes at once."""
        for worker in self._workers:
            worker.kill()

    def _heard(self, worker: _Worker) -> Ended | None:
        """Return the work that a process has done; None for a line, and for a death after which it is tried again."""
        try:
            message: str | Done = worker.alive().recv()
        except (EOFError, ConnectionError):
            return self._died(worker, worker.buried())
        if isinstance(message, Done):
            return _ended(worker, message.error)
        self._progress.note(message)
        return None

    def _died(self, worker: _Worker, how: str) -> Ended | None:
        work = worker.work
        if work is None or worker.tries > RETRIES:
            return None if work is None else _ended(worker, died(work, how))
        self._progress.note(f"{work.name}: the process that performed {work.piece.stage} {how}; it is tried again")
        worker.begin(work)
        return None


def _ended(worker: _Worker, error: Exception | None) -> Ended | None:
    work, worker.work = worker.work, None
    return None if work is None else Ended(work=work, error=error)


def shares(jobs: int, folder: "Path") -> list[Share]:
    """Divide this machine's threads and GPUs among processes: whole GPUs each, or one shared where they are too few."""
    import torch

    threads = max(1, torch.get_num_threads() // jobs)
    gpus = _gpus()
    return [
        Share(
            threads=threads,
            gpus=tuple(gpus[number::jobs] or gpus[number % len(gpus) :][:1]) if gpus else (),
            folder=folder,
        )
        for number in range(jobs)
    ]


def _gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]
