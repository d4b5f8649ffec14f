"""The place of a run's folder while it is worked in: it may be moved or removed under a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shortstack.errors import RunFolderError, ShortstackError
from shortstack.run_layout import CHECKPOINTS, KEY, PRECISION, RUN

_IN_UNFINISHED_STAGES: Final = frozenset({KEY, "result", CHECKPOINTS, PRECISION})


def require_in_place(root: Path) -> None:
    """Raise if a run's folder is gone; what is written then would make a new folder that belongs to no run.

    Raises:
        RunFolderError: ``run.json``, which a run writes before all else, is not there.
    """
    if not (root / RUN).is_file():
        raise RunFolderError(
            f"{root} was moved or removed while a run was writing to it; start the run again with the folder's new place, and it "
            "goes on from there"
        )


@contextmanager
def in_its_place(root: Path) -> Iterator[None]:
    """Tell a folder that was moved or removed meanwhile from whatever else could not be read or written.

    Raises:
        RunFolderError: It was.
    """
    require_in_place(root)
    try:
        yield
    except (OSError, ShortstackError):
        require_in_place(root)
        raise


def is_unfinished_stage(path: Path) -> bool:
    """Return True for what a killed or moved run may leave in an otherwise empty folder: the folder of an unfinished stage."""
    named = path.name.startswith(".") and path.name.endswith(".partial") and path.is_dir()
    return named and {entry.name for entry in path.iterdir()} <= _IN_UNFINISHED_STAGES
