"""All errors that shortstack raises on purpose.

    ShortstackError
    ├── ConfigurationError (ValueError)     a setting is wrong; the message names it
    │   └── UnknownNameError (LookupError)  no such plugin, setting or strategy
    ├── DataError (ValueError)              a source cannot be used
    │   ├── SourceNotFoundError (FileNotFoundError)
    │   ├── RowError                        one bad row, "path:line: …"
    │   └── EmptyDataError                  nothing is left
    ├── PluginError (RuntimeError)          a plugin is broken; names its distribution
    ├── UnsupportedModelError (ValueError)  the model is of a family that cannot be handled
    ├── ProofError (RuntimeError)           a student failed one of its own checks
    ├── NonFiniteError (ArithmeticError)    NaN or infinity where a number was due
    ├── OutOfMemoryError (MemoryError)      a batch does not fit; the message says what would
    ├── UnwritableError (OSError)           a file cannot be written
    │   └── DiskFullError                   a disk, or the quota of a user, is full
    ├── RunFolderError (FileExistsError)    the output folder holds something else
    ├── UploadError (OSError)               the hub refuses files, or cannot be reached
    ├── OtherProcessError (RuntimeError)    another process of the same run failed or ended
    └── WorkerError (RuntimeError)          a process that performed a stage died, or its error cannot leave it

Each also derives from the built-in that a user would expect to catch.
"""

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 24
"""Largest number of names that a message lists."""
_LONGEST = 200
"""Largest number of letters of a wrong name that a message shows."""


class ShortstackError(Exception):
    """Base class: catch this to catch all of them."""

    of_one_run: bool = False
    """True if it comes of one run's folder or later stages: another run can perform the stage that raised it."""


class ConfigurationError(ShortstackError, ValueError):
    """A setting has a value that is not allowed."""


class UnknownNameError(ConfigurationError, LookupError):
    """A name that does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        """Compose the message: the requested name, the nearest match, and the known names.

        Args:
            what: The kind of the named object, for example ``"importance scorer"``.
            name: The requested name.
            known: The names that exist.

        >>> str(UnknownNameError("split", "lave-last", ["leave-last", "ratio"]))
        "unknown split 'lave-last'; did you mean 'leave-last'? (known: leave-last, ratio)"
        """
        self.name, self.known = name, tuple(sorted(known))
        close = get_close_matches(name, self.known, n=1, cutoff=0.5)
        shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
        hint = f"; did you mean {close[0]!r}?" if close else ""
        more = f", … {len(self.known) - _MOST} more" if len(self.known) > _MOST else ""
        super().__init__(f"unknown {what} {shown!r}{hint} (known: {', '.join(self.known[:_MOST]) or 'none'}{more})")


class DataError(ShortstackError, ValueError):
    """A data source cannot be used as requested."""


class SourceNotFoundError(DataError, FileNotFoundError):
    """A named file or folder does not exist."""


class RowError(DataError):
    """One row of a source is bad."""

    def __init__(self, path: object, line: int, problem: str) -> None:
        """Compose the message: the row's place and the problem.

        Args:
            path: The file, as the user would find it.
            line: The row's number in the file, from 1.
            problem: The column, the value, and the allowed values.

        >>> str(RowError("ratings.csv", 3, "rating 'x' is no number"))
        "ratings.csv:3: rating 'x' is no number"
        """
        super().__init__(f"{path}:{line}: {problem}")


class DownloadError(DataError):
    """A file could not be downloaded, or is not what was published."""


class EmptyDataError(DataError):
    """No rows, users, items or labels are left to work on."""


class PluginError(ShortstackError, RuntimeError):
    """A plugin failed; the cause is chained."""

    component: str | None = None
    """Who is to blame, where the message begins with it."""


class UnsupportedModelError(ShortstackError, ValueError):
    """A model's family, or its present state, cannot be handled."""


class ProofError(ShortstackError, RuntimeError):
    """A student failed a check that every student must pass."""


class NonFiniteError(ShortstackError, ArithmeticError):
    """A loss, score or logit is NaN or infinite."""


class OutOfMemoryError(ShortstackError, MemoryError):
    """A batch does not fit into the memory."""


class UnwritableError(ShortstackError, OSError):
    """A file cannot be written."""


class DiskFullError(UnwritableError):
    """There is no room for a file: the disk or the quota is full, or files may not be that large."""


class UploadError(ShortstackError, OSError):
    """Files could not be uploaded."""


class RunFolderError(ShortstackError, FileExistsError):
    """The output folder holds something that is not this run."""

    of_one_run = True


class OtherProcessError(ShortstackError, RuntimeError):
    """Another process of the same run failed, or ended."""

    def __init__(self, message: str, *, reported: bool = False) -> None:
        """Compose the message.

        Args:
            message: The message.
            reported: True if the other process raises an error of its own, which says more.
        """
        self.reported = reported
        super().__init__(message)


class WorkerError(ShortstackError, RuntimeError):
    """A process that performed a stage died, or failed with an error that cannot leave it; the text says which."""
