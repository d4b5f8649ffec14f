"""A command in a process of its own, forked so that nothing is imported again, within bounds of time and memory."""

import ctypes
import faulthandler
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import attrs

GIGABYTE = 1 << 30
NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
"""``CLONE_NEWNS`` and ``CLONE_NEWUSER`` of Linux."""

OUTPUTS = (1, 2)
KEPT = 1 << 20
"""Bytes of an output that are kept."""
FAILED = 99
"""Exit code of a process that could not even begin or end."""


@attrs.frozen(kw_only=True)
class Bounds:
    """What a process may use; beyond it, that is a finding.

    Attributes:
        cpu_seconds: Seconds of CPU time.
        seconds: Seconds on the clock, for what waits.
        resident_bytes: Memory beyond that of the process it is forked from.
        address_bytes: Address space beyond that; allocations fail there, so that the machine is safe.
    """

    cpu_seconds: int = 30
    seconds: int = 120
    resident_bytes: int = 3 * GIGABYTE // 2
    address_bytes: int = 6 * GIGABYTE


@attrs.frozen(kw_only=True)
class Outcome:
    """How a process ended.

    Attributes:
        code: Its exit code; None if a signal ended it.
        signal: That signal's number, or 0.
        stdout: What it wrote there.
        stderr: What it wrote there, tracebacks included.
        cpu_seconds: Its CPU time.
        resident_bytes: Its peak of memory beyond what it began with.
        waited: Whether it was ended for being silent too long.
    """

    code: int | None
    signal: int
    stdout: str
    stderr: str
    cpu_seconds: float
    resident_bytes: int
    waited: bool


def forked(
    work: Callable[[], object], resident: Path, bounds: Bounds, *, prepare: Callable[[], object] | None = None
) -> Outcome:
    """Do some work in a forked process.

    Args:
        work: What is done; an exception is an exit with code 1 and a traceback, as Python has it.
        resident: A file for the memory that it begins with.
        bounds: What it may use.
        prepare: Is done first in the new process, for limits of the case's own.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pipes = [os.pipe() for _ in OUTPUTS]
    process = os.fork()
    if process == 0:
        try:
            _become([end for _, end in pipes], bounds, resident)
            os._exit(_done(work, prepare))
        finally:
            os._exit(FAILED)  # whatever happens, this process does not go on as a second campaign
    for _, end in pipes:
        os.close(end)
    waited, printed = _followed(process, [end for end, _ in pipes], bounds.seconds)
    _, status, usage = os.wait4(process, 0)
    _end_group(process)
    return Outcome(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        stdout=printed[0].decode("utf-8", "replace"),
        stderr=printed[1].decode("utf-8", "replace"),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        resident_bytes=max(0, (usage.ru_maxrss << 10) - int(resident.read_text(encoding="ascii") or 0)),
        waited=waited,
    )


def kill_after(cpu_seconds: float) -> None:
    """Let the kernel end this process after some CPU time, in the middle of whatever it does."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, max(cpu_seconds, 1e-3))


def own_file_system(folder: Path) -> Callable[[int], None]:
    """Mount a file system over an empty folder, for this process and its children alone.

    Returns:
        Function that gives it this many bytes, those in use included.

    Raises:
        OSError: That is not permitted here.
    """
    private, recursive, again = 1 << 18, 1 << 14, 32
    _call("unshare", NEW_MOUNTS if os.geteuid() == 0 else NEW_MOUNTS | NEW_USER)
    _call("mount", b"none", b"/", None, private | recursive, None)

    def resize(size: int, flags: int = again) -> None:
        _call("mount", b"none", os.fsencode(folder), b"tmpfs", flags, f"size={size}".encode())

    resize(GIGABYTE, 0)
    return resize


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name} is not permitted")


def _become(outputs: Sequence[int], bounds: Bounds, begins_with: Path) -> None:
    """Turn a fresh fork into the process of a command: its own group, outputs and limits."""
    os.setsid()
    for descriptor, place in zip((os.open(os.devnull, os.O_RDONLY), *outputs), (0, *OUTPUTS), strict=True):
        os.dup2(descriptor, place)
    sys.stdout, sys.stderr = (open(place, "w", encoding="utf-8", closefd=False) for place in OUTPUTS)  # noqa: SIM115 -- descriptors
    faulthandler.enable(sys.stderr)
    faulthandler.register(signal.SIGXCPU, sys.stderr, chain=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.cpu_seconds, bounds.cpu_seconds + 5))
    addresses, resident = _memory()
    resource.setrlimit(resource.RLIMIT_AS, (addresses + bounds.address_bytes,) * 2)
    begins_with.write_text(str(resident), encoding="ascii")


def _memory() -> tuple[int, int]:
    """Return the bytes of this process's address space, and those of them that are in memory."""
    pages, resident = map(int, Path("/proc/self/statm").read_text(encoding="ascii").split()[:2])
    return pages * resource.getpagesize(), resident * resource.getpagesize()


def _done(work: Callable[[], object], prepare: Callable[[], object] | None) -> int:
    try:
        if prepare is not None:
            prepare()
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 -- whatever it is, Python would show it and end with 1
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _followed(process: int, outputs: Sequence[int], seconds: float) -> tuple[bool, list[bytes]]:
    """Read what a process prints until it ends; one that does not is asked where it is, and ended.

    Returns:
        Whether it had to be ended, and what it printed.
    """
    descriptor, printed, ends = os.pidfd_open(process), dict.fromkeys(outputs, b""), monotonic() + seconds
    endings = [signal.SIGXCPU, signal.SIGKILL]
    while not _read(printed, descriptor, max(0.0, ends - monotonic())):
        if monotonic() >= ends and endings:
            os.kill(process, endings.pop(0))
            ends = monotonic() + 5
    _read(printed, descriptor, 0)
    for each in (descriptor, *outputs):
        os.close(each)
    return len(endings) < 2, list(printed.values())


def _read(printed: dict[int, bytes], descriptor: int, seconds: float) -> bool:
    """Wait for a process's outputs and its end, and add what has come; return whether it has ended."""
    ready = select.select([descriptor, *printed], [], [], seconds)[0]
    for output in printed.keys() & set(ready):
        printed[output] += os.read(output, 1 << 20)[: max(0, KEPT - len(printed[output]))]
    return descriptor in ready


def _end_group(process: int) -> None:
    """End what the process has started and left."""
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return
