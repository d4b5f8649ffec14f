"""What only Linux and macOS have: locks on files, and how much memory a process has had."""

import sys

try:
    import fcntl as fcntl  # noqa: PLC0414 -- for whoever imports it from here
    import resource
except ImportError as error:
    raise ImportError(
        f"shortstack runs on Linux and macOS; here ({sys.platform}) {error.name} is missing. On Windows, use WSL"
    ) from error


def peak_resident_bytes() -> int:
    """Return the most resident memory that this process has had, in bytes.

    Source: getrusage(2): ``ru_maxrss`` is in bytes on macOS, and in KiB on Linux.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
