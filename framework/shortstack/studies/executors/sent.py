"""Work that another process performs: what is sent there, the lines that come back, and the errors."""

import io
import os
import pickle
from collections.abc import Callable, Mapping
from functools import cache
from typing import IO, TYPE_CHECKING, cast

from shortstack.errors import ConfigurationError, ShortstackError, WorkerError
from shortstack.studies.executors.executor import Work, attempt

if TYPE_CHECKING:
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.studies.settings import StudyRun

Dumps = Callable[[object], bytes]
_WIDTH = 10_000
"""Columns of a line of progress, so that none is broken before it is printed."""


def require_sendable(members: "Mapping[str, StudyRun]", dumps: Dumps) -> None:
    """Raise if a run holds an object that cannot be given to another process.

    Raises:
        ConfigurationError: One does; names the run.
    """
    for name, member in members.items():
        try:
            dumps(member.run)
        except Exception as error:  # whatever an object's own code raises
            raise ConfigurationError(
                f"the study's run {name!r} holds an object that cannot be given to another process "
                f"({' '.join(str(error).split())[:160]}); define it in a module, or execute the study with jobs = 1, without Ray"
            ) from error


def attempt_sent(sent: bytes, tell: Callable[[str], None]) -> Exception | None:
    """Perform work that another process sent, with the plugins of this environment; return why it failed, or None.

    Args:
        sent: The work.
        tell: Receives each line of progress.
    """
    try:
        work: Work = pickle.loads(sent)  # noqa: S301 -- from the process that started this one
    except Exception as error:  # noqa: BLE001 -- whatever an object's own code raises
        return WorkerError(
            f"what the settings hold cannot be read in another process ({type(error).__name__}: {error})"
        )
    return _sendable(attempt(work, registry=_registry(), progress=in_lines(tell, work.name)))


def in_lines(tell: Callable[[str], None], name: str) -> "Progress":
    """Return progress of a run in lines that begin with its name, for reports of several runs at a time."""
    from rich.console import Console

    from shortstack.progress import ToConsole

    lines = cast("IO[str]", _Lines(lambda line: tell(f"{name}: {line}")))
    return ToConsole(Console(file=lines, width=_WIDTH, force_terminal=False))


def use_threads(threads: int) -> None:
    """Let this process, which has yet to compute anything, use that many threads."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of what is imported later
    import torch

    torch.set_num_threads(threads)


@cache
def _registry() -> "Registry":
    from shortstack.registry import Registry

    return Registry.from_environment()


def _sendable(error: Exception | None) -> Exception | None:
    """Return an error that can be pickled and read again: itself, or one of its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own
    except Exception:  # noqa: BLE001 -- an error with arguments of its own; its text is kept
        return _in_words(error)
    return error


def _in_words(error: Exception | None) -> WorkerError:
    if not isinstance(error, ShortstackError):
        return WorkerError(f"{type(error).__name__}: {error}")
    words = WorkerError(str(error))
    words.of_one_run = error.of_one_run
    return words


class _Lines(io.TextIOBase):
    """A text file that passes on each line as it is completed."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._begun = tell, ""

    def write(self, text: str) -> int:
        """Pass on the lines that the text completes."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)
