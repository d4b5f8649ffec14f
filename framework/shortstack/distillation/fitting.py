"""The settings of a training run, what they mean to transformers, and what the run leaves behind."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
from attrs import validators

from shortstack.contracts.headlines import SELECTED_BY
from shortstack.distillation.lora import LoraSettings
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from transformers import EarlyStoppingCallback, TrainingArguments

    from shortstack.distillation.trainer import DistillationTrainer


@attrs.frozen(kw_only=True)
class FitSettings:
    """The settings of ``[teacher.fit]`` and ``[distillation.fit]``.

    Attributes:
        steps: Optimiser steps at most.
        batch_size: Examples an optimiser step.
        accumulate: Micro-batches that a batch is split into, to save memory; changes nothing else.
        learning_rate: The highest; reached after the warm-up, then a cosine to 0 at ``steps``.
        warmup_steps: Steps over which the learning rate rises from 0.
        weight_decay: Of matrices; vectors (biases, norms) and the losses' own parameters have none.
        betas: The two decays of AdamW.
        max_grad_norm: Gradients longer than this are cut to it; 0 for no limit.
        evaluate_every: Steps between validations (and checkpoints); the last step is always validated.
        embedding_dropout: The share of the input embeddings' entries that is 0 at each step; for small data, on which a
            model learns its histories by heart.
        group_by_length: Examples of about one length share a batch, so that little of it is padding; batches are drawn less
            freely then.
        gradient_checkpointing: Keep only what enters each layer, and compute the rest again on the way back: less memory,
            one more pass forwards.
        lora: Learn in low-rank adapters, and the items' rows if they have any, alone; they are merged in the end.
        item_rows_rate: How many times the learning rate the items' rows of the embeddings have: above 1 for a language
            model whose items are new to it.
        precision: Of the arithmetic: ``"auto"`` is bfloat16 on CUDA and float32 elsewhere, ``"fastest"`` bfloat16 wherever
            the device is faster with it, as some processors are. Weights are float32 all the same.
        patience: Validations without a better result after which training ends; 0 to go on to the last step.
    """

    steps: int = attrs.field(default=600, validator=validators.ge(1))
    batch_size: int = attrs.field(default=64, validator=validators.ge(1))
    accumulate: int = attrs.field(default=1, validator=validators.ge(1))
    learning_rate: float = attrs.field(default=2e-3, validator=validators.gt(0.0))
    warmup_steps: int = attrs.field(default=30, validator=validators.ge(0))
    weight_decay: float = attrs.field(default=0.01, validator=validators.ge(0.0))
    betas: tuple[float, float] = attrs.field(default=(0.9, 0.999))
    max_grad_norm: float = attrs.field(default=1.0, validator=validators.ge(0.0))
    evaluate_every: int = attrs.field(default=50, validator=validators.ge(1))
    embedding_dropout: float = attrs.field(default=0.0, validator=[validators.ge(0.0), validators.lt(1.0)])
    group_by_length: bool = False
    gradient_checkpointing: bool = False
    lora: LoraSettings | None = None
    item_rows_rate: float = attrs.field(default=1.0, validator=validators.gt(0.0))
    precision: Literal["auto", "fastest", "float32", "bfloat16"] = attrs.field(
        default="auto", validator=validators.in_(("auto", "fastest", "float32", "bfloat16"))
    )
    patience: int = attrs.field(default=4, validator=validators.ge(0))

    @betas.validator
    def _are_decays(self, _attribute: object, value: tuple[float, float]) -> None:
        if len(value) != 2 or not all(0 <= beta < 1 for beta in value):
            raise ConfigurationError(f"betas must be two numbers from 0 to below 1, got {list(value)}")

    def __attrs_post_init__(self) -> None:
        if self.batch_size % self.accumulate:
            raise ConfigurationError(
                f"batch_size ({self.batch_size}) must be a multiple of accumulate ({self.accumulate}), so that the "
                "micro-batches are equal"
            )
        if self.warmup_steps >= self.steps:
            raise ConfigurationError(f"warmup_steps ({self.warmup_steps}) must be below steps ({self.steps})")


def training_arguments(
    folder: Path, settings: FitSettings, *, seed: int, device: str, validated: bool, metric: str = SELECTED_BY
) -> "TrainingArguments":
    """What the settings mean to ``transformers.Trainer``: quiet, without trackers, resumable.

    Args:
        folder: Where checkpoints go: the newest, and the best one if ``validated``.
        settings: The settings.
        seed: Of everything random in training.
        device: ``"cpu"`` or ``"cuda"``; on CUDA the arithmetic is bfloat16 where the device has it.
        validated: Whether the model is validated, and the best checkpoint kept.
        metric: The validated metric, higher is better.
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
        data_seed=seed,  # the order of examples must not hang on what else was drawn before
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
        remove_unused_columns=False,
        label_names=["labels"],
        disable_tqdm=True,
        report_to="none",
    )


def in_bfloat16(precision: str, device: "torch.device") -> bool:
    """What a setting of the precision means on a device."""
    import torch

    from shortstack.models.devices import bfloat16_is_faster

    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return bfloat16_is_faster(device) if precision == "fastest" else precision == "bfloat16"


def _recomputing(arguments: type) -> dict[str, Any]:
    """Gradient checkpointing, by the name that this version of transformers has for it."""
    newer = "activation_checkpointing" in {field.name for field in dataclasses.fields(arguments)}
    name = "activation_checkpointing" if newer else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def early_stopping(settings: FitSettings) -> "list[EarlyStoppingCallback]":
    """The callback that ends training when validation stops getting better; none if ``patience`` is 0."""
    from transformers import EarlyStoppingCallback

    return [EarlyStoppingCallback(settings.patience)] if settings.patience else []


def fit(trainer: "DistillationTrainer") -> list[dict[str, float]]:
    """Train to the end, from the newest whole checkpoint in the trainer's folder if there is one.

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
    """No progress bars for every checkpoint, and no warnings about what this package sees to itself."""
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
    """How training went, one record for each logged step, from ``trainer.state.log_history``.

    Keys: ``step``, ``seconds`` since the start, ``loss`` (what was minimised), ``loss/NAME`` (each loss's mean, since
    the record before), ``learning_rate``, ``grad_norm``; and, where the model was validated, each metric by its own
    name (a metric called ``loss`` as ``validation_loss``).

    >>> history([{"loss": 2.0, "step": 5}, {"eval_ndcg@10": 0.1, "step": 5}])
    [{'step': 5, 'loss': 2.0, 'ndcg@10': 0.1}]
    """
    records: dict[int, dict[str, float]] = {}
    for entry in log_history:
        found = {_spoken(key): value for key, value in entry.items() if _is_kept(key)}
        if found.keys() - {"seconds"}:
            records.setdefault(entry["step"], {"step": entry["step"]}).update(found)
    return [records[step] for step in sorted(records)]


def _is_kept(key: str) -> bool:
    return key in _PASSED_ON or key.startswith(("loss/", "eval_"))


def _spoken(key: str) -> str:
    return "validation_loss" if key == "eval_loss" else key.removeprefix("eval_")
