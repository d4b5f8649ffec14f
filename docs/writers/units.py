"""Units of the settings that are numbers, and the kinds of names that settings take; the rest of the page is in the classes."""

UNITS = {
    "data.core": "interactions",
    "data.min_rating": "the data's rating scale",
    "data.sample_users": "users",
    "data.last_n": "interactions",
    "data.valid_share": "share of the interactions",
    "data.test_share": "share of the interactions",
    "teacher.prompt.longest": "tokens",
    "fit.steps": "optimiser steps",
    "fit.batch_size": "examples",
    "fit.accumulate": "micro-batches",
    "fit.learning_rate": "per step of AdamW",
    "fit.warmup_steps": "optimiser steps",
    "fit.weight_decay": "per step, times the learning rate",
    "fit.betas": "",
    "fit.max_grad_norm": "norm of the gradient",
    "fit.evaluate_every": "optimiser steps",
    "fit.embedding_dropout": "share of the entries",
    "fit.item_rows_rate": "factor",
    "fit.patience": "validations",
    "fit.lora.rank": "columns",
    "fit.lora.alpha": "",
    "fit.lora.dropout": "share of the entries",
    "importance.examples": "users",
    "importance.batch_size": "examples",
    "selection.schedule": "layers, or share of the layers",
    "selection.keep_ratio": "share of the layers",
    "selection.keep_layers": "layers",
    "selection.parameters": "parameters, or percent",
    "selection.body_parameters": "parameters, or percent",
    "selection.bytes": "bytes, or percent",
    "selection.cache_bytes": "bytes a token, or percent",
    "selection.latency_ms": "milliseconds a user, or percent",
    "selection.latency_batch_size": "users",
    "distillation.losses": "weights",
    "evaluation.cutoffs": "ranks",
    "evaluation.resamples": "resamples",
    "seed": "",
}
"""Path of a number, without the table that holds ``fit`` → its unit; empty for one that counts nothing."""

NAMES = {
    "data.adapter": "dataset",
    "data.split": "split",
    "task.name": "task",
    "importance.scorers": "scorer",
    "selection.scorer": "scorer",
    "selection.strategy": "strategy",
    "student.architecture": "student",
    "distillation.losses": "loss",
    "distillation.balancing": "balancing",
    "evaluation.selected_by": "metric",
}
"""Setting that takes a name → the kind of what it names, as ``shortstack list`` has it."""

OWN = {
    "dataset": "data.settings",
    "task": "task.settings",
    "scorer": "importance.settings.NAME",
    "strategy": "selection.settings",
    "student": "student.settings",
    "loss": "distillation.losses.NAME",
    "balancing": "distillation.balancing",
}
"""Kind → the table that holds the settings of one of its members."""
