"""Check of the ways in which a training runs its passes: sharded, compiled, on Liger's kernels, with gradient norms."""

from transformers import PreTrainedModel, TrainingArguments

from shortstack.distillation.compiled_layers import check_compilable
from shortstack.distillation.gradient_norms import shared_parameters
from shortstack.distillation.liger_kernels import check_liger
from shortstack.distillation.sharded_training import check_sharding


def check_passes(
    args: TrainingArguments,
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    *,
    gradient_norms: bool,
    compiled: bool,
    liger: bool,
) -> None:
    """Raise if sharding, the gradient norms of single losses, compiled layers, or Liger's kernels cannot be had together here.

    Raises:
        ConfigurationError: They cannot; names what to do instead.
        UnsupportedModelError: A model cannot be run so.
    """
    check_sharding(args, gradient_norms=gradient_norms)
    if gradient_norms:
        shared_parameters(student)
    if compiled:
        models = {"student": student, "teacher": teacher}
        check_compilable(models, args.device, processes=args.world_size, gradient_norms=gradient_norms)
    if liger:
        sharded, processes = bool(args.fsdp), args.world_size
        check_liger(args.device, compiled=compiled, sharded=sharded, processes=processes, gradient_norms=gradient_norms)
