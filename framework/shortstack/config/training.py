"""Settings of a training: ``[teacher.fit]`` and ``[distillation.fit]``, and of its adapters."""

from typing import Literal

import attrs
from attrs import validators

from shortstack.config.reader import validated
from shortstack.errors import ConfigurationError


@attrs.frozen(kw_only=True, field_transformer=validated("fit.lora"))
class LoraSettings:
    """Settings of ``[teacher.fit.lora]`` and ``[distillation.fit.lora]``.

    Source: Hu et al. 2022, LoRA, arXiv 2106.09685, section 4.1.

    Attributes:
        rank: Columns of each adapter.
        alpha: Scale: an adapter's output is multiplied by ``alpha / rank``.
        dropout: Dropout of an adapter's input.
        modules: Last names of the linear modules that get one, such as ``"q_proj"``; by default all in the layers.
    """

    rank: int = attrs.field(default=16, validator=validators.ge(1))
    alpha: float = attrs.field(default=32.0, validator=validators.gt(0.0))
    dropout: float = attrs.field(default=0.0, validator=[validators.ge(0.0), validators.lt(1.0)])
    modules: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, field_transformer=validated("fit"))
class FitSettings:
    """Settings of ``[teacher.fit]`` and ``[distillation.fit]``.

    Attributes:
        steps: Largest number of optimiser steps.
        batch_size: Examples per optimiser step.
        accumulate: Micro-batches that a batch is split into, to save memory; changes nothing else.
        learning_rate: Peak learning rate, reached after the warm-up; then a cosine to 0 at ``steps``.
        warmup_steps: Steps over which the learning rate rises from 0.
        weight_decay: Weight decay of matrices; vectors (biases, norms) and the losses' own parameters have none.
        betas: The two decays of AdamW.
        max_grad_norm: Largest norm of the gradient, which is clipped to it; 0 for no limit.
        evaluate_every: Steps between validations (and checkpoints); the last step is always validated.
        embedding_dropout: Share of the input embeddings' entries set to 0 at each step; for small data, which a
            model overfits.
        group_by_length: Examples of about one length share a batch, so that little of it is padding; batches are drawn
            less freely then.
        gradient_checkpointing: Keep only each layer's input, and recompute the rest in the backward pass: less memory,
            one more forward pass.
        lora: Learn in low-rank adapters, and the items' rows if they have any, alone; they are merged in the end.
        item_rows_rate: Factor on the learning rate of the items' rows of the embeddings: above 1 for a language
            model whose items are new to it.
        precision: Precision of the arithmetic: ``"auto"`` is bfloat16 on CUDA and float32 elsewhere, ``"fastest"``
            bfloat16 wherever the device is faster with it, as some processors are. Weights are float32 all the same.
        compile: Compile the layers of student and running teacher (``torch.compile``) for the training alone: fewer and
            larger kernels, after some tens of seconds of compilation. Validation runs uncompiled, and the model is saved
            as ever; results agree but for rounding. For one process. On a CPU it pays in long trainings alone, if at all: a
            step of the quickstart's teacher took 11 % less time with it, and one of its distillation no less; not
            measured on a GPU.
        kernels: ``"liger"`` computes norms, rotary positions and gated MLPs of student and running teacher by Liger's
            kernels for the training alone (``pip install 'shortstack[liger]'``), where Liger knows the family; losses and
            validation are computed as ever, and the model is saved as ever. For one process and a CUDA device; results
            agree but for rounding. Tried in triton's interpreter, not yet on a GPU.
        parallel: How several processes train together: ``"ddp"``, each with the whole model, or ``"fsdp"``, each with a
            part of it, of its gradients and of the optimiser's state, for a model that does not fit into one device; it
            changes no result.
        patience: Validations without a better result after which training ends; 0 to go on to the last step.
        report_to: Experiment trackers, by transformers' names, such as ``"mlflow"`` or ``"tensorboard"``; changes no
            result.
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
    compile: bool = False
    kernels: Literal["torch", "liger"] = attrs.field(default="torch", validator=validators.in_(("torch", "liger")))
    parallel: Literal["ddp", "fsdp"] = attrs.field(default="ddp", validator=validators.in_(("ddp", "fsdp")))
    patience: int = attrs.field(default=4, validator=validators.ge(0))
    report_to: tuple[str, ...] = ()

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
        if self.parallel == "fsdp" and self.lora is not None:
            raise ConfigurationError(
                'parallel = "fsdp" divides every matrix among the processes, and adapters (lora) are merged into whole ones; leave '
                "out one of the two"
            )
        if self.warmup_steps >= self.steps:
            raise ConfigurationError(f"warmup_steps ({self.warmup_steps}) must be below steps ({self.steps})")
