"""Training arguments for transformers from our settings, and the history of a training."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortstack.config.training import FitSettings
from shortstack.contracts.headlines import SELECTED_BY

if TYPE_CHECKING:
    import torch
    from transformers import EarlyStoppingCallback, TrainingArguments

    from shortstack.distillation.trainer import DistillationTrainer


def training_arguments(
    folder: Path, settings: FitSettings, *, seed: int, device: str, validated: bool, metric: str = SELECTED_BY
) -> "TrainingArguments":
    """Return the arguments for ``transformers.Trainer``: quiet, without trackers, resumable.

    Args:
        folder: Folder of the checkpoints: the newest, and the best one if ``validated``.
        settings: The settings.
        seed: Seed of everything random in training.
        device: ``"cpu"`` or ``"cuda"``; on CUDA the arithmetic is bfloat16 if the device supports it.
        validated: Validate the model, and keep the best checkpoint.
        metric: Validated metric, higher is better.
    """
    import torch
    from transformers import TrainingArguments

    cuda = device.startswith("cuda")
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size // settings.accumulate,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        max_grad_norm=settings.max_grad_norm,
        train_sampling_strategy="group_by_length" if settings.group_by_length else "random",
        **(_recomputing(TrainingArguments) if settings.gradient_checkpointing else {}),
        seed=seed,
        data_seed=seed,  # the order of examples must not depend on earlier draws from the global state
        use_cpu=not cuda,
        bf16=in_bfloat16(settings.precision, torch.device(device)),
        eval_strategy="steps" if validated else "no",
        eval_steps=settings.evaluate_every,
        save_strategy="steps",
        save_steps=settings.evaluate_every,
        save_total_limit=2,  # the best and the last
        load_best_model_at_end=validated,
        metric_for_best_model=metric if validated else None,
        greater_is_better=True if validated else None,
        # a resumed run must find whole averages: a log at every save
        logging_steps=math.gcd(settings.evaluate_every, 10),
        logging_nan_inf_filter=False,
        restore_callback_states_from_checkpoint=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,  # an unread column is refused by name, not dropped
        label_names=["labels"],
        disable_tqdm=True,
        report_to="none",
    )


def in_bfloat16(precision: str, device: "torch.device") -> bool:
    """Return True if a precision setting means bfloat16 on a device."""
    import torch

    from shortstack.models.devices import bfloat16_is_faster

    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return bfloat16_is_faster(device) if precision == "fastest" else precision == "bfloat16"


def _recomputing(arguments: type) -> dict[str, Any]:
    """Return the arguments for gradient checkpointing, under their name in this version of transformers."""
    newer = "activation_checkpointing" in {field.name for field in dataclasses.fields(arguments)}
    name = "activation_checkpointing" if newer else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def early_stopping(settings: FitSettings) -> "list[EarlyStoppingCallback]":
    """Return the callback that ends training when validation stops improving; none if ``patience`` is 0."""
    from transformers import EarlyStoppingCallback

    return [EarlyStoppingCallback(settings.patience)] if settings.patience else []


def fit(trainer: "DistillationTrainer") -> list[dict[str, float]]:
    """Train to the end, resuming from the newest complete checkpoint in the trainer's folder if there is one.

    Returns:
        The history (see ``history``).
    """
    from shortstack.distillation.checkpoints import has_ended, last_checkpoint

    checkpoint = last_checkpoint(Path(trainer.args.output_dir))
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


_PASSED_ON = ("loss", "learning_rate", "grad_norm", "seconds")


def history(log_history: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return one record for each logged step of a training, from ``trainer.state.log_history``.

    Keys: ``step``, ``seconds`` since the start, ``loss`` (the total that was minimised), ``loss/NAME`` (each loss's
        mean
    since the last record), ``learning_rate``, ``grad_norm``; and, if the model was validated, each metric by its own
    name (a metric called ``loss`` as ``validation_loss``).

    >>> history([{"loss": 2.0, "step": 5}, {"eval_ndcg@10": 0.1, "step": 5}])
    [{'step': 5, 'loss': 2.0, 'ndcg@10': 0.1}]
    """
    records: dict[int, dict[str, float]] = {}
    for entry in log_history:
        values = {_spoken(key): value for key, value in entry.items() if _is_kept(key)}
        if values.keys() - {"seconds"}:
            records.setdefault(entry["step"], {"step": entry["step"]}).update(values)
    return [records[step] for step in sorted(records)]


def _is_kept(key: str) -> bool:
    return key in _PASSED_ON or key.startswith(("loss/", "eval_"))


def _spoken(key: str) -> str:
    return "validation_loss" if key == "eval_loss" else key.removeprefix("eval_")
