"""A training from its beginning or its last checkpoint, and its history."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortstack.distillation.trainer import DistillationTrainer

_LOG = logging.getLogger(__name__)


def fit(trainer: "DistillationTrainer", tell: Callable[[str], None] = _LOG.warning) -> list[dict[str, float]]:
    """Train to the end, resuming from the newest whole checkpoint in the trainer's folder if there is one.

    Args:
        trainer: The trainer.
        tell: Receives a sentence on each newer checkpoint that is damaged.

    Returns:
        The history (see ``history``).
    """
    from accelerate.utils import broadcast_object_list

    from shortstack.distillation.checkpoints import has_ended, last_checkpoint

    # before the first one writes another
    (checkpoint,) = broadcast_object_list([last_checkpoint(Path(trainer.args.output_dir), tell)])
    with _quiet_transformers():
        if checkpoint is not None and has_ended(checkpoint):
            trainer.restore(checkpoint)
        else:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return history(trainer.state.log_history)


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars, and its warnings about what this package handles itself."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


_OF_EACH_LOSS = ("loss/", "weight/", "gradient_norm/")
_PASSED_ON = ("loss", "learning_rate", "grad_norm", "seconds")


def history(log_history: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return one record for each logged step of a training, from ``trainer.state.log_history``.

    Keys: ``step``, ``seconds`` since the start, ``loss`` (the total that was minimised), ``learning_rate``,
    ``grad_norm``; for each loss ``loss/NAME``, ``weight/NAME`` (its multiplier) and, if measured,
    ``gradient_norm/NAME``, means since the last record; and, if the model was validated, each metric by its own name
    (a metric called ``loss`` as ``validation_loss``).

    >>> history([{"loss": 2.0, "step": 5}, {"eval_ndcg@10": 0.1, "step": 5}])
    [{'step': 5, 'loss': 2.0, 'ndcg@10': 0.1}]
    """
    records: dict[int, dict[str, float]] = {}
    for entry in log_history:
        values = {_spoken(key): value for key, value in entry.items() if _is_kept(key)}
        if values.keys() - {"seconds"}:
            records.setdefault(entry["step"], {"step": entry["step"]}).update(values)
    return [records[step] for step in sorted(records)]


def of_each_loss(record: Mapping[str, float]) -> dict[str, float]:
    """Return what a record of a history holds of each loss by itself.

    >>> of_each_loss({"step": 5, "loss": 2.0, "loss/labels": 4.0, "weight/labels": 0.5})
    {'loss/labels': 4.0, 'weight/labels': 0.5}
    """
    return {key: value for key, value in record.items() if key.startswith(_OF_EACH_LOSS)}


def _is_kept(key: str) -> bool:
    return key in _PASSED_ON or key.startswith((*_OF_EACH_LOSS, "eval_"))


def _spoken(key: str) -> str:
    return "validation_loss" if key == "eval_loss" else key.removeprefix("eval_")
