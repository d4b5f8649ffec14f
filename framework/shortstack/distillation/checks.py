"""What must hold before a student can be trained: each check says what is wrong and what to do."""

from collections.abc import Callable, Mapping, Sequence

from transformers import PreTrainedModel, TrainingArguments

from shortstack.distillation.weighted_losses import WeightedLoss
from shortstack.errors import ConfigurationError

Validate = Callable[[PreTrainedModel], Mapping[str, float]]
"""Gives the metrics of a model that is in eval mode."""

_BATCH = ("input_ids", "attention_mask", "labels")


def check_teacher(teacher: PreTrainedModel | None, student: PreTrainedModel, losses: Sequence[WeightedLoss]) -> None:
    """There is a teacher if one is needed, and it fits the student.

    Raises:
        ConfigurationError: It is missing, in training mode, the student itself, or of another vocabulary.
    """
    eager = [loss.name for loss in losses if loss.needs_teacher]
    if teacher is None:
        if eager:
            raise ConfigurationError(
                f"the loss {eager[0]!r} needs a teacher; give one, or train on the loss 'labels' alone"
            )
        return
    if teacher is student:
        raise ConfigurationError("the teacher is the student itself; build the student with build_student")
    if teacher.training:
        raise ConfigurationError(
            "the teacher is in training mode, where dropout blurs what it says; call teacher.eval()"
        )
    theirs, ours = (model.get_input_embeddings().num_embeddings for model in (teacher, student))
    if theirs != ours:
        raise ConfigurationError(
            f"the teacher's vocabulary has {theirs} tokens and the student's {ours}; they must share one vocabulary"
        )


def check_arguments(args: TrainingArguments, validate: Validate | None) -> None:
    """The training arguments ask for nothing that this trainer cannot do right.

    Raises:
        ConfigurationError: One does; names it.
    """
    if args.eval_strategy != "no" and validate is None:
        raise ConfigurationError(
            f"eval_strategy={str(args.eval_strategy.value)!r} needs metrics: give a function validate(model)"
        )
    if args.fp16:
        raise ConfigurationError("fp16 loses small gradients without a scaler; use bf16=True, or neither")
    if args.fsdp or args.deepspeed:
        raise ConfigurationError("sharded training (fsdp, deepspeed) is not supported; use one process a device (DDP)")
    if args.n_gpu > 1:
        raise ConfigurationError(
            f"one process sees {args.n_gpu} devices; start one process a device with torchrun, or set "
            "CUDA_VISIBLE_DEVICES to one of them"
        )


def check_batch(batch: object) -> None:
    """A batch holds what training needs.

    Raises:
        ConfigurationError: It does not.
    """
    found = sorted(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
    if not isinstance(batch, Mapping) or not all(name in batch for name in _BATCH):
        raise ConfigurationError(
            f"a batch must hold {', '.join(_BATCH)}, got {found}; give a data_collator that makes them"
        )
