"""A run's folder while it is written to: held by one process at a time, and none that holds something else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from shortstack.digests import checked_object, read_record
from shortstack.errors import DataError, RunFolderError
from shortstack.files import unfinished
from shortstack.pipeline.place import is_unfinished_stage
from shortstack.posix import fcntl
from shortstack.run_layout import RECORD, RUN


@contextmanager
def claimed(root: Path) -> Iterator[None]:
    """Hold the run's folder against other writers.

    Raises:
        RunFolderError: It holds something that no run wrote, or another process holds it.
    """
    require_a_runs(root)
    root.mkdir(parents=True, exist_ok=True)
    # a lock on the folder itself needs no lock file, and ends with the process
    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RunFolderError(f"another process is writing to {root}; wait for it or name another folder") from error
    finally:
        os.close(lock)


def require_a_runs(root: Path) -> None:
    """Raise if a run may not write into a folder.

    Raises:
        RunFolderError: It is a file, or holds something that no run wrote.
    """
    if root.exists() and not root.is_dir():
        raise RunFolderError(f"{root} is a file; name a new folder, or one that an earlier run wrote")
    if root.is_dir() and not (is_a_runs(root) or _holds_a_result(root)):
        raise RunFolderError(f"{root} holds something else; name a new folder, or one that an earlier run wrote")


def _holds_a_result(root: Path) -> bool:
    """Return True if a folder holds a stage's result: it is a run's, though ``run.json`` may be damaged."""
    return any({"stage", "key"} <= (read_record(record) or {}).keys() for record in root.glob(f"*/{RECORD}"))


def is_a_runs(root: Path) -> bool:
    """Return True if a folder is empty, or holds settings that a run wrote."""
    from shortstack.config.run import RunConfig

    # a kill during the first write of run.json leaves its temporary file alone, and a folder that was moved away unfinished stages
    if all(path.name == unfinished(root / RUN).name or is_unfinished_stage(path) for path in root.iterdir()):
        return True
    try:
        tables = checked_object(root / RUN)
    except DataError:
        return False
    return tables.keys() <= {field.name for field in attrs.fields(RunConfig)}
