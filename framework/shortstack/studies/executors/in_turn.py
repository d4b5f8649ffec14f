"""Stages in turn, in this process: nothing has to be sent anywhere, so settings may hold any object."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from shortstack.studies.executors.executor import Ended, Work, attempt

if TYPE_CHECKING:
    from shortstack.progress import Progress
    from shortstack.registry import Registry


@attrs.define(kw_only=True, eq=False)
class InTurn:
    """Performs one stage at a time, in this process."""

    registry: "Registry"
    progress: "Progress"
    _submitted: list[Work] = attrs.field(init=False, factory=list)

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def submit(self, work: Work) -> None:
        """Remember the work until ``ended`` performs it."""
        self._submitted.append(work)

    def ended(self) -> Sequence[Ended]:
        """Perform the work."""
        work = self._submitted.pop()
        return [Ended(work=work, error=attempt(work, registry=self.registry, progress=self.progress))]

    def close(self) -> None:
        """Do nothing: work ends with the exception that ends the study."""
