"""Facilities of Linux and macOS only: file locks, and the peak memory of a process."""

import sys

try:
    import fcntl as fcntl  # noqa: PLC0414 -- re-exported
    import resource
except ImportError as error:
    raise ImportError(
        f"shortstack runs on Linux and macOS; here ({sys.platform}) {error.name} is missing. On Windows, use WSL"
    ) from error


def peak_resident_bytes() -> int:
    """Return the peak resident memory of this process, in bytes.

    Source: getrusage(2): ``ru_maxrss`` is in bytes on macOS, and in KiB on Linux.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
