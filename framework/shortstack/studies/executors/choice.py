"""The executor that a study's options name."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ConfigurationError
from shortstack.studies.executors.executor import Executor
from shortstack.studies.executors.in_turn import InTurn
from shortstack.studies.executors.sent import Dumps, require_sendable

if TYPE_CHECKING:
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.studies.settings import StudyRun


@attrs.frozen(kw_only=True)
class Choice:
    """How the stages of a study are performed.

    Attributes:
        jobs: How many at a time; None for one, or on Ray for as many as there is room for.
        ray: Address of a Ray cluster, ``"local"`` for a new one on this machine; None for none.
    """

    jobs: int | None = attrs.field(default=None)
    ray: str | None = None

    @jobs.validator
    def _check(self, _attribute: object, jobs: int | None) -> None:
        if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
            raise ConfigurationError(f"jobs is a number of stages at a time, 1 or more, got {jobs!r}")

    @property
    def is_here(self) -> bool:
        """True if all is performed in this process."""
        return self.ray is None and (self.jobs or 1) == 1

    def check(self, members: "Mapping[str, StudyRun]", registry: "Registry | None") -> None:
        """Check before any work that other processes can be given all that the runs need.

        Raises:
            ConfigurationError: They cannot; or Ray is not installed.
        """
        if self.is_here:
            return
        if registry is not None:
            raise ConfigurationError(
                "other processes use the plugins of the environment, and know none of a registry that is given; leave it out, or "
                "execute the study with jobs = 1, without Ray"
            )
        require_sendable(members, self._dumps())

    def _dumps(self) -> Dumps:
        if self.ray is None:
            return pickle.dumps
        from shortstack.studies.executors.ray_cluster import dumps

        return dumps()


def executor_of(choice: Choice, folder: Path, *, registry: "Registry", progress: "Progress") -> Executor:
    """Return a new executor; it is to be closed.

    Args:
        choice: Which.
        folder: The study's folder.
        registry: The plugins, for stages in this process.
        progress: Receiver of reports.

    Raises:
        ConfigurationError: There is no such Ray cluster.
    """
    if choice.is_here:
        return InTurn(registry=registry, progress=progress)
    if choice.ray is None:
        from shortstack.studies.executors.processes import LocalProcesses

        return LocalProcesses(choice.jobs or 1, folder=folder, progress=progress)
    from shortstack.studies.executors.ray_cluster import OnRay

    return OnRay(choice.ray, choice.jobs, folder=folder, progress=progress)
