"""Training arguments for transformers from our settings."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortstack.config.training import FitSettings
from shortstack.contracts.headlines import SELECTED_BY
from shortstack.processes import started_by_a_launcher

if TYPE_CHECKING:
    import torch
    from transformers import EarlyStoppingCallback, TrainingArguments


def training_arguments(
    folder: Path,
    settings: FitSettings,
    *,
    seed: int,
    device: str,
    validated: bool,
    metric: str = SELECTED_BY,
    name: str | None = None,
) -> "TrainingArguments":
    """Return the arguments for ``transformers.Trainer``: quiet, resumable, reporting to the settings' trackers.

    Args:
        folder: Folder of the checkpoints: the newest, and the best one if ``validated``.
        settings: The settings.
        seed: Seed of everything random in training.
        device: ``"cpu"`` or ``"cuda"``; on CUDA the arithmetic is bfloat16 if the device supports it.
        validated: Validate the model, and keep the best checkpoint.
        metric: Validated metric, higher is better.
        name: Name of the training in a tracker; the tracker's own choice by default.
    """
    import torch
    from transformers import TrainingArguments

    cuda = device.startswith("cuda")
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size // settings.accumulate,
        gradient_accumulation_steps=settings.accumulate,
        train_sampling_strategy="group_by_length" if settings.group_by_length else "random",
        seed=seed,
        data_seed=seed,  # the order of examples must not depend on earlier draws from the global state
        use_cpu=not cuda,
        bf16=in_bfloat16(settings.precision, torch.device(device)),
        # a resumed run must find whole averages: a log at every save
        logging_steps=math.gcd(settings.evaluate_every, 10),
        logging_nan_inf_filter=False,
        restore_callback_states_from_checkpoint=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,  # an unread column is refused by name, not dropped
        label_names=["labels"],
        disable_tqdm=True,
        run_name=name,
        report_to=list(dict.fromkeys(settings.report_to)) or "none",
        **_optimiser(settings),
        **_checkpoints(settings, metric if validated else None),
        **_sharding(settings),
    )
    if settings.gradient_checkpointing:  # set later, or with FSDP it would advise one that wraps the layers
        vars(arguments).update(_recomputing(TrainingArguments))
    if arguments.n_gpu > 1:  # one process trains on one device; transformers would divide each batch among threads
        arguments._n_gpu = 1  # noqa: SLF001 -- as its Trainer does where a model is divided
    return arguments


def _optimiser(settings: FitSettings) -> dict[str, Any]:
    return {
        "optim": "adamw_torch_fused",  # one kernel for all parameters, on CPU and CUDA; the default depends on torch's version
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup_steps,
        "weight_decay": settings.weight_decay,
        "adam_beta1": settings.betas[0],
        "adam_beta2": settings.betas[1],
        "max_grad_norm": settings.max_grad_norm,
    }


def _checkpoints(settings: FitSettings, metric: str | None) -> dict[str, Any]:
    """Return the arguments of validations and checkpoints, which the metric selects; None for no validation."""
    return {
        "eval_strategy": "no" if metric is None else "steps",
        "eval_steps": settings.evaluate_every,
        "save_strategy": "steps",
        "save_steps": settings.evaluate_every,
        "save_total_limit": 2,  # the best and the last
        "load_best_model_at_end": metric is not None,
        "metric_for_best_model": metric,
        "greater_is_better": None if metric is None else True,
    }


def _sharding(settings: FitSettings) -> dict[str, Any]:
    """Return the arguments by which accelerate divides the model among the processes (FSDP2), if there are several."""
    sharded = settings.parallel == "fsdp" and started_by_a_launcher()
    return {"fsdp": True, "fsdp_config": {"version": 2}} if sharded else {}


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
