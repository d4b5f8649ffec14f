"""``--processes``: the same command in several processes, each of which takes part in the work."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from shortstack.cli.exit_codes import ExitCode
from shortstack.cli.options import say
from shortstack.errors import ConfigurationError
from shortstack.posix import end_with_parent
from shortstack.processes import ALONE, World, joined, started_by_a_launcher

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

Processes = Annotated[
    int,
    typer.Option("--processes", min=1, help="Share the work among this many processes on this machine, one a GPU."),
]

_OURS: Final = "shortstack"
"""Name of the launches that this module starts, in the environment of their processes."""
_LAUNCHER: Final = "SHORTSTACK_LAUNCHER"
"""Environment variable with the number of the process that starts them."""
_A_CORE: Final = 4
"""Processes a core at most: each imports torch, which takes seconds of a core."""


def is_launched(processes: int, arguments: Sequence[str]) -> bool:
    """Run a command in several processes, and return True when they have finished; False in one that does the work itself.

    Args:
        processes: The requested number.
        arguments: The arguments of the command, ``--processes`` included.

    Raises:
        ConfigurationError: A launcher, which has a number of processes of its own, has started this one; or they are more
            than the machine's cores can start.
        SystemExit: A process failed; with its exit code.
    """
    if started_by_a_launcher():
        if processes > 1 and os.environ.get("TORCHELASTIC_RUN_ID") != _OURS:
            raise ConfigurationError(
                f"--processes starts the processes itself, and a launcher has started {os.environ['WORLD_SIZE']} already; leave "
                "out one of the two"
            )
        return False
    if processes == 1:
        return False
    _require_cores(processes)
    _launch(processes, arguments)
    return True


def _require_cores(processes: int) -> None:
    """Raise if processes are so many that the machine would be busy with their starts for minutes.

    Raises:
        ConfigurationError: They are.
    """
    cores = os.cpu_count() or 1
    if processes > _A_CORE * cores:
        raise ConfigurationError(
            f"--processes {processes} is more than {_A_CORE} for each of this machine's {cores} processor cores; give "
            f"{_A_CORE * cores} or less, best one a GPU or a core"
        )


def together() -> AbstractContextManager[World]:
    """Return ``processes.joined`` where a launcher started this process; it needs torch, which takes seconds to import."""
    if not started_by_a_launcher():
        return nullcontext(ALONE)
    launcher = os.environ.get(_LAUNCHER)
    # processes of another launcher may be meant to outlive it
    if launcher is not None and os.environ.get("TORCHELASTIC_RUN_ID") == _OURS:
        end_with_parent(int(launcher))
    return joined()


def _launch(processes: int, arguments: Sequence[str]) -> None:
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ[_LAUNCHER] = str(os.getpid())
    # threads of all processes together as of one alone
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    # DDP warns in every process that a model with experts might have unused parameters, which this one has not
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # it reports failures in a page of its own, beside the line of the process that failed
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=_OURS,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "shortstack", *arguments)
    except ChildFailedError as error:
        _exit_as(min(error.failures.values(), key=_moment), processes)
    except SignalException as stopped:  # it has ended the processes; shells give this code
        sys.exit(128 + stopped.sigval)


def _moment(failure: "ProcessFailure") -> Any:
    return failure.timestamp


def _exit_as(failure: "ProcessFailure", processes: int) -> None:
    """Exit with the code of the process that failed first; say so if it was killed, and could not say why itself."""
    if failure.exitcode >= 0:
        sys.exit(failure.exitcode)
    name = signal.Signals(-failure.exitcode).name
    say(
        f"error: process {failure.local_rank} of 0 to {processes - 1} was ended by {name}, as the system does where memory runs "
        "out, and the others with it; the same command goes on from there, with any number of processes"
    )
    sys.exit(ExitCode.REFUSED)
