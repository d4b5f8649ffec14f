"""Facilities of Linux and macOS only: file locks, a process's peak memory, its number of files, and when it ends."""

import ctypes
import os
import signal
import sys
from typing import Final

try:
    import fcntl as fcntl  # noqa: PLC0414 -- re-exported
    import resource
except ImportError as error:
    raise ImportError(
        f"shortstack runs on Linux and macOS; here ({sys.platform}) {error.name} is missing. On Windows, use WSL"
    ) from error

_PR_SET_PDEATHSIG: Final = 1
"""Number of an option of prctl(2), from ``linux/prctl.h``."""


def end_with_parent(parent: int) -> None:
    """Let the system end this process by SIGTERM when the one that started it is gone, however that ended; on Linux only.

    Source: prctl(2), ``PR_SET_PDEATHSIG``.

    Args:
        parent: Number of the process that started this one.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was gone before the system knew
            os.kill(os.getpid(), signal.SIGTERM)


def peak_resident_bytes() -> int:
    """Return the peak resident memory of this process, in bytes.

    Source: getrusage(2): ``ru_maxrss`` is in bytes on macOS, and in KiB on Linux.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def allow_files(count: int) -> None:
    """Let this process have so many files and connections, as far as it may: shells and containers often begin at 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
