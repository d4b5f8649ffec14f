"""A run's names and folders in experiment trackers, and its summary there once it has finished."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortstack.boundaries import json_object
from shortstack.errors import DataError
from shortstack.files import write_json
from shortstack.run_layout import TENSORBOARD, TRACKED

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.pipeline.stage import Context
    from shortstack.result import RunResult


def name_in_trackers(root: Path, model: str = "") -> str:
    """Return the name of a run in trackers, or of the training of one of its models.

    >>> name_in_trackers(Path("runs/books"), "student")
    'books/student'
    """
    name = root.resolve().name
    return f"{name}/{model}" if model else name


def tensorboard_folder(root: Path, model: str) -> Path:
    """Return a new folder for event files: in the run's folder, or below ``TENSORBOARD_LOGGING_DIR`` if that is set.

    Each attempt has a folder of its own, for TensorBoard mixes the curves of one folder.

    Args:
        root: The run's folder.
        model: What is reported, such as ``"student"``.
    """
    chosen = os.environ.get("TENSORBOARD_LOGGING_DIR")
    place = Path(chosen).expanduser() / root.resolve().name if chosen else root / TENSORBOARD
    attempts = (place / model).glob("[0-9]*")
    return place / model / str(1 + max((int(path.name) for path in attempts if path.name.isdigit()), default=0))


@contextmanager
def wandb_run_closed(trackers: Iterable[str]) -> Iterator[None]:
    """Close the run that transformers opens in Weights & Biases and leaves open, so that the next training has its own.

    A run that was open before is the user's, and stays.

    Args:
        trackers: The trackers of the training.
    """
    if "wandb" not in trackers:
        yield
        return
    import wandb

    was_open = wandb.run is not None
    try:
        yield
    finally:
        if not was_open:
            wandb.finish()


def report_to_trackers(context: "Context", result: "RunResult") -> None:
    """Log a finished run's settings, metrics, figures and verdict to its trackers, each once for the same result.

    A tracker that fails is reported; it is tried again when the run is executed again.
    """
    from shortstack.report.trackers import SUMMARIES

    known = _known(context.root)
    digest = _digest(context.run, result)
    for tracker in context.run.trackers:
        if tracker in SUMMARIES and known.get(tracker) != digest and _is_reported(context, result, tracker):
            known[tracker] = digest
            write_json(context.root / TRACKED, known)


def _is_reported(context: "Context", result: "RunResult", tracker: str) -> bool:
    from shortstack.report.trackers import SUMMARIES, summary_of

    root = context.root
    with tempfile.TemporaryDirectory() as images:
        events = tensorboard_folder(root, "result")
        summary = summary_of(result, name=name_in_trackers(root), folder=root, images=Path(images), events=events)
        try:
            SUMMARIES[tracker](summary)
        except Exception as error:  # noqa: BLE001 -- whatever a tracker raises, the run has its result
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            context.progress.note(
                f"the tracker {tracker!r} did not get the run's result ({reason}); run it again to report it"
            )
            return False
    return True


def _known(root: Path) -> dict[str, Any]:
    try:
        return dict(json_object(root / TRACKED)) if (root / TRACKED).is_file() else {}
    except DataError:
        return {}  # a damaged record costs one more run in the tracker


def _digest(run: "RunConfig", result: "RunResult") -> str:
    parts = [run.untracked.to_mapping(), result.metrics, result.comparisons]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
