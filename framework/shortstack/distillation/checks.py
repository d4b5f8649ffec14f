"""Checks before a student is trained, and of its batches and metrics: each raises with the problem and its remedy."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from typing import Final

from torch import Tensor, nn
from transformers import PreTrainedModel, TrainingArguments

from shortstack.contracts import Output
from shortstack.distillation.weighted_losses import WeightedLoss, wanted
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError, UnsupportedModelError
from shortstack.models.attention_inputs import require_interface
from shortstack.models.batch_keys import KEYS, malformed, unread
from shortstack.models.decoder import most_tokens, require_head
from shortstack.models.padding import padding_row

Validate = Callable[[PreTrainedModel], Mapping[str, float]]
"""Returns the metrics of a model that is in eval mode."""

_NOT_FOLLOWED: Mapping[str, tuple[object, str]] = {
    "label_smoothing_factor": (
        0,
        "the loss is the sum of the losses that you name; write a smoothed one as a loss of its own",
    ),
    "neftune_noise_alpha": (None, "use embedding_dropout of the trainer"),
    "use_liger_kernel": (
        False,
        "set liger=True of the trainer, which leaves the losses and the saved model as they are",
    ),
    "torch_compile": (
        False,
        "set compiled=True of the trainer, which compiles the layers; losses look into them, which a compiled model hides",
    ),
    "auto_find_batch_size": (False, "set per_device_train_batch_size and gradient_accumulation_steps"),
    "parallelism_config": (None, "use one process a device (DDP)"),
    "push_to_hub": (False, "save trainer.student with push_to_hub() afterwards"),
    "include_for_metrics": ([], "validate(model) gives the metrics"),
    "bf16_full_eval": (False, "validate(model) gets the model as it is"),
    "fp16_full_eval": (False, "validate(model) gets the model as it is"),
}
"""Unsupported arguments of a plain Trainer: the value that disables each, and the remedy."""

_ATTENTION: Final = frozenset({Output.STUDENT_ATTENTION, Output.TEACHER_ATTENTION})


def check_teacher(teacher: PreTrainedModel | None, student: PreTrainedModel, losses: Sequence[WeightedLoss]) -> None:
    """Raise if a teacher is needed and missing, or does not fit the student.

    Raises:
        ConfigurationError: The teacher is missing, in training mode, the student itself, over the same memory, or of
            another vocabulary.
        UnsupportedModelError: One of them has no output head.
    """
    for model in (student, teacher):
        if model is not None:
            require_head(model)
    names_needing_teacher = [loss.name for loss in losses if loss.needs_teacher]
    if teacher is None:
        if names_needing_teacher:
            raise ConfigurationError(
                f"the loss {names_needing_teacher[0]!r} needs a teacher; give one, or train on the loss 'labels' alone"
            )
        return
    if teacher is student:
        raise ConfigurationError("the teacher is the student itself; build the student with build_student")
    teacher_memory = {parameter.data_ptr(): name for name, parameter in teacher.named_parameters() if parameter.numel()}
    shared = [name for name, p in student.named_parameters() if p.requires_grad and p.data_ptr() in teacher_memory]
    if shared:
        raise ConfigurationError(
            f"the student's {shared[0]} lies in the teacher's memory, so training would change the teacher; give the student weights of "
            "its own (copy.deepcopy, or build_student)"
        )
    training = [path for path, module in teacher.named_modules() if module.training and not _only_holds(module)]
    if training:
        raise ConfigurationError(
            f"{training[0] or 'the teacher'} is in training mode, where dropout blurs what the teacher says; call teacher.eval()"
        )
    rows, ours = (model.get_input_embeddings().num_embeddings for model in (teacher, student))
    if rows != ours:
        raise ConfigurationError(
            f"the teacher's vocabulary has {rows} tokens and the student's {ours}; they must share one vocabulary"
        )


def check_models(
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    losses: Sequence[WeightedLoss],
    examples: object,
    candidates: Tensor | None,
) -> None:
    """Raise if student, teacher, losses, examples and candidates do not fit together.

    Raises:
        UnsupportedModelError: The student or the teacher is unsupported.
        ConfigurationError: The parts do not fit.
        EmptyDataError: There are no examples.
    """
    check_student(student, examples)
    check_layerdrop(student, wanted(losses))
    check_padding(student, candidates)
    check_teacher(teacher, student, losses)


def check_cache(losses: Sequence[WeightedLoss]) -> None:
    """Raise if a loss needs more of the teacher than a cache of its final states holds.

    Raises:
        ConfigurationError: It does; names the loss.
    """
    for loss in losses:
        if more := more_than_logits([loss]):
            raise ConfigurationError(
                f"the loss {loss.name!r} needs the teacher's {more[0]}, and a cache holds its final states alone; leave out this "
                'loss, or run the teacher (cache = "off")'
            )


def more_than_logits(losses: Sequence[WeightedLoss]) -> list[str]:
    """Return what losses need of the teacher beside its logits: ``"states"``, ``"attention"``."""
    others = wanted(losses) - {Output.TEACHER_LOGITS}
    return sorted(output.value.removeprefix("teacher-") for output in others if output.of_teacher)


def check_student(student: object, examples: object) -> None:
    """Raise if the student cannot be trained, or there are no examples.

    Raises:
        UnsupportedModelError: The student is not a transformers model: for example the result of ``torch.compile``.
        ConfigurationError: All parameters are frozen.
        EmptyDataError: There are no examples.
    """
    if not isinstance(student, PreTrainedModel):
        raise UnsupportedModelError(
            f"the student is {type(student).__name__}, not a transformers model; give the model itself, before torch.compile or another wrapper"
        )
    if not any(parameter.requires_grad for parameter in student.parameters()):
        raise ConfigurationError(
            f"no weight of {type(student).__name__} asks for a gradient, so nothing can learn; call requires_grad_() on what should"
        )
    if isinstance(examples, Sized) and not len(examples):
        raise EmptyDataError("the training data set is empty; give at least one example")


def check_layerdrop(student: PreTrainedModel, needs: Collection[Output]) -> None:
    """Raise if the student drops layers at random (layerdrop) while a loss needs the states or the attention of all.

    Raises:
        ConfigurationError: A layerdrop rate is above 0.
    """
    if not {Output.STUDENT_STATES, Output.STUDENT_ATTENTION} & set(needs):
        return
    for module in student.modules():
        for name, value in vars(module).items():
            if name.endswith("layerdrop") and isinstance(value, int | float) and value > 0:
                raise ConfigurationError(
                    f"{name} is {value}, by which {type(student).__name__} leaves out layers at random in training, but a loss needs the "
                    f"states or the attention of all; set {name} to 0 in the model's config, or train on other losses"
                )


def check_attention(model: PreTrainedModel, needs: Collection[Output]) -> None:
    """Raise if a loss needs a model's attention, and the model has none that can be read.

    Raises:
        UnsupportedModelError: Its family does not call attention through transformers' interface.
    """
    if not _ATTENTION.isdisjoint(needs):
        require_interface(model)


def _only_holds(module: nn.Module) -> bool:
    """Return True if a module is a container that computes nothing, so that its mode has no effect."""
    return isinstance(module, nn.ModuleList | nn.ModuleDict)


def check_arguments(args: TrainingArguments, validate: Validate | None) -> None:
    """Raise if a training argument is not supported by this trainer.

    Raises:
        ConfigurationError: An argument is unsupported; names it.
    """
    for name, (nothing, instead) in _NOT_FOLLOWED.items():
        value = vars(args).get(name, nothing)
        if value != nothing:
            raise ConfigurationError(f"{name}={value!r} is not followed by this trainer; {instead}")
    if args.eval_strategy != "no" and validate is None:
        raise ConfigurationError(
            f"eval_strategy={str(args.eval_strategy.value)!r} needs metrics: give a function validate(model)"
        )
    if args.fp16:
        raise ConfigurationError("fp16 loses small gradients without a scaler; use bf16=True, or neither")
    if args.n_gpu > 1:
        raise ConfigurationError(
            f"one process sees {args.n_gpu} devices; start one process a device with torchrun, or set "
            "CUDA_VISIBLE_DEVICES to one of them"
        )


def check_batch(batch: object, vocabulary: int) -> None:
    """Raise if a batch lacks a key, has an unread one, or is malformed for a model of ``vocabulary`` tokens.

    Raises:
        ConfigurationError: The batch is invalid.
    """
    keys = sorted(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
    if not isinstance(batch, Mapping) or not all(name in batch for name in KEYS):
        raise ConfigurationError(
            f"a batch must hold {', '.join(KEYS)}, got {keys}; give a data_collator that makes them"
        )
    if problem := unread(batch) or malformed(batch, vocabulary):
        raise ConfigurationError(f"a batch {problem}")


def check_lengths(batch: Mapping[str, Tensor], models: Mapping[str, PreTrainedModel]) -> None:
    """Raise if an example has more tokens than one of the models has positions: families differ in it.

    Args:
        batch: A batch that ``check_batch`` lets pass.
        models: The models that read it, by their part: ``"student"``, ``"teacher"``.

    Raises:
        ConfigurationError: An example is too long.
    """
    tokens = int(batch["attention_mask"].bool().sum(-1).max()) if len(batch["attention_mask"]) else 0
    for part, model in models.items():
        most = most_tokens(model)
        if most is not None and tokens > most:
            raise ConfigurationError(
                f"a batch has an example of {tokens} tokens, but the {part} ({model.config.model_type}) reads at most {most}; shorten the "
                f"examples, or give a {part} of more positions"
            )


def check_metrics(metrics: Mapping[str, float], selected_by: str | None, *, prefix: str, step: int) -> None:
    """Raise if validated metrics lack the one that models are selected by, or one is not finite.

    Args:
        metrics: The metrics that ``validate`` gave.
        selected_by: Name of the metric by which the best model is chosen; None for none.
        prefix: Word before the name of a metric, for errors.
        step: Number of the optimiser steps so far, for errors.

    Raises:
        ConfigurationError: The metric that models are selected by is missing.
        NonFiniteError: A metric is NaN or infinite.
    """
    if selected_by is not None and selected_by.removeprefix("eval_") not in metrics:
        raise ConfigurationError(
            f"metric_for_best_model is {selected_by!r}, which validate does not give "
            f"({', '.join(metrics)}); choose one of those"
        )
    for name, value in metrics.items():
        if not math.isfinite(number := float(value)):
            full_name = f"{prefix}_{name}"
            raise NonFiniteError(f"the validated metric {full_name!r} is {number} at step {step}")


def check_padding(student: PreTrainedModel, candidates: Tensor | None) -> None:
    """Raise if a candidate is the padding token, whose row of the embeddings has no gradient.

    Raises:
        ConfigurationError: A candidate is the padding token.
    """
    padding = padding_row(student)
    if padding is not None and candidates is not None and bool((candidates == padding).any()):
        raise ConfigurationError(
            f"candidate token {padding} is the padding of {type(student).__name__} (pad_token_id={student.config.get_text_config().pad_token_id}), "
            "whose embedding never learns; set pad_token_id to None, or to a token that is no candidate, and load the model again"
        )
