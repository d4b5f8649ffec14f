"""Stages as tasks of a Ray cluster: Ray places them where CPUs and GPUs are free, and retries what its machines lose."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shortstack.ray_cluster import connect, imported_ray, share
from shortstack.studies.executors.executor import RETRIES, Ended, Work, died
from shortstack.studies.executors.sent import Dumps, attempt_sent, use_threads
from shortstack.studies.folder import at_work

if TYPE_CHECKING:
    from shortstack.progress import Progress

_SECONDS: Final = 1.0
"""Between two looks at the lines of progress, while nothing ends."""


class OnRay:
    """Performs each stage as a task, with its share of the cluster's CPUs and GPUs.

    The study's folder, the data and the models must be at the same paths on all its machines.
    """

    def __init__(self, address: str, jobs: int | None, *, folder: Path, progress: "Progress") -> None:
        """Connect to a cluster.

        Args:
            address: Its address; ``"local"`` starts one on this machine, which ends with the study.
            jobs: Among how many stages the cluster is divided; by default each has a GPU, or without any a CPU.
            folder: The study's folder.
            progress: Receiver of the tasks' lines.

        Raises:
            ConfigurationError: Ray is not installed, or there is no cluster at the address.
        """
        self._ray, self._folder, self._progress = imported_ray(), folder.resolve(), progress
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            connect(self._ray, address)
        from ray.util.queue import Queue

        self.slots = jobs or sys.maxsize
        self._share = share([node["Resources"] for node in self._ray.nodes() if node["Alive"]], jobs)
        self._lines = Queue(actor_options={"num_cpus": 0})
        resources = {"num_cpus": self._share.cpus, "num_gpus": self._share.gpus}
        self._perform = self._ray.remote(max_retries=RETRIES, **resources)(_perform)
        self._works: dict[Any, Work] = {}

    def submit(self, work: Work) -> None:
        """Queue a task."""
        task = self._perform.remote(dumps()(work), self._lines, self._share.cpus, str(self._folder))
        self._works[task] = work

    def ended(self) -> Sequence[Ended]:
        """Pass on the tasks' lines until one has ended, or its machines died too often."""
        done: Sequence[Any] = []
        while not done:
            done, _ = self._ray.wait(list(self._works), timeout=_SECONDS)
            for line in self._lines.get_nowait_batch(self._lines.qsize()):
                self._progress.note(line)
        return [self._end(task) for task in done]

    def close(self) -> None:
        """End all tasks at once, and the cluster if it was started here."""
        for task in self._works:
            self._ray.cancel(task, force=True)
        self._lines.shutdown(force=True)
        if self._is_ours:
            self._ray.shutdown()

    def _end(self, task: Any) -> Ended:
        work = self._works.pop(task)
        try:
            error = self._ray.get(task)
        except self._ray.exceptions.RayError as lost:
            error = died(work, f"was lost ({type(lost).__name__})")
        return Ended(work=work, error=error)


def dumps() -> Dumps:
    """Return Ray's own ``dumps``, which also takes objects of a script or a notebook.

    Raises:
        ConfigurationError: Ray is not installed.
    """
    imported_ray()
    from ray import cloudpickle

    dumped: Dumps = cloudpickle.dumps
    return dumped


def _perform(sent: bytes, lines: Any, threads: int, folder: str) -> Exception | None:
    use_threads(threads)
    with at_work(Path(folder)):
        return attempt_sent(sent, lines.put)
