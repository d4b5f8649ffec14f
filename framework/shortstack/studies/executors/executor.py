"""The seam between a study and whatever performs its stages, and the attempt at one stage that all of them share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from shortstack.errors import WorkerError
from shortstack.pipeline.pieces import Piece, perform_piece

if TYPE_CHECKING:
    from shortstack.progress import Progress
    from shortstack.registry import Registry

RETRIES: Final = 2
"""How often a stage is tried again whose process or machine died."""


@attrs.frozen(kw_only=True)
class Work:
    """A piece of one of a study's runs.

    Attributes:
        name: Name of the run.
        piece: The stage, or the report.
    """

    name: str
    piece: Piece


@attrs.frozen(kw_only=True)
class Ended:
    """Work that has ended.

    Attributes:
        work: The work.
        error: Why it failed; None if it did not.
    """

    work: Work
    error: Exception | None


class Executor(Protocol):
    """Performs pieces of runs, several at a time."""

    @property
    def slots(self) -> int:
        """How many pieces it takes at a time."""

    def submit(self, work: Work) -> None:
        """Begin some work, while fewer than ``slots`` are at work."""

    def ended(self) -> Sequence[Ended]:
        """Wait until some work has ended, and return what has."""

    def close(self) -> None:
        """End all work at once; stages that are not finished go on from their checkpoints another time."""


def attempt(work: Work, *, registry: "Registry", progress: "Progress") -> Exception | None:
    """Perform some work in this process; return why it failed, or None."""
    try:
        perform_piece(work.piece, registry=registry, progress=progress)
    except Exception as error:  # noqa: BLE001 -- whatever ends one run, the others go on
        return error
    return None


def died(work: Work, how: str) -> WorkerError:
    """Return the error of some work whose process or machine died each time that it was tried.

    Args:
        work: The work.
        how: How the last one ended, in words.
    """
    return WorkerError(
        f"the process that performed the stage {work.piece.stage!r} {how}, {RETRIES + 1} times; if memory ran out, perform fewer stages "
        "at a time; start the study again, and it goes on from the last checkpoint"
    )
