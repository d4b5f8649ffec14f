"""Training within a stage: the same for the teacher, the student, and the baseline from scratch."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import torch
from transformers import TrainerCallback, TrainerState

from shortstack.config.given import Given
from shortstack.config.resolve import attribute_named
from shortstack.contracts.headlines import formatted_metric
from shortstack.distillation.callbacks import RowsLearnFaster, RowsStay
from shortstack.distillation.fitting import fit, of_each_loss
from shortstack.distillation.lora import adapted
from shortstack.distillation.teacher_cache import TeacherCache
from shortstack.distillation.trackers import place_tensorboard
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import early_stopping, in_bfloat16, training_arguments
from shortstack.errors import ConfigurationError
from shortstack.files import write_json, written_whole
from shortstack.models.parameters import count_parameters
from shortstack.models.sharding import is_sharded, whole_copy
from shortstack.pipeline.place import require_in_place
from shortstack.pipeline.stage import Context
from shortstack.pipeline.stage_model import StageModel
from shortstack.pipeline.task_evaluation import headlines_of, task_evaluation
from shortstack.pipeline.tracking import name_in_trackers, tensorboard_folder, wandb_run_closed
from shortstack.run_layout import CHECKPOINTS, PRECISION, TRAINING
from shortstack.tasks import Examples, collate

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, TrainingArguments

    from shortstack.config.run import RunConfig
    from shortstack.config.training import FitSettings
    from shortstack.contracts import Selection
    from shortstack.distillation.weighted_losses import LossSettings
    from shortstack.progress import ProgressCallback


@attrs.frozen(kw_only=True, eq=False)
class Objective:
    """The losses that a model is trained on, and its teacher; by default the labels alone.

    Attributes:
        losses: The losses by name.
        balancing: The way in which the losses are combined into one number.
        log_gradient_norms: Whether the gradient norm of each loss is logged.
        teacher: The model to distil from, or a cache of its final states; None to train without one.
        selection: The teacher's layers that the model was made from.
    """

    losses: "LossSettings" = attrs.field(factory=lambda: {"labels": 1.0})
    balancing: str | Mapping[str, Any] = "fixed"
    log_gradient_norms: bool = False
    teacher: "PreTrainedModel | TeacherCache | None" = None
    selection: "Selection | None" = None


def train(
    context: Context,
    name: str,
    recommender: StageModel,
    settings: "FitSettings",
    folder: Path,
    *,
    objective: Objective | None = None,
    keep_new: bool = False,
    tracked_as: str | None = None,
) -> None:
    """Train a model, keep its best state on the validation cases, and save it with its training history.

    Resumes from the last checkpoint, if an interrupted run left one.

    Args:
        context: The run.
        name: Name of the training in the progress bar.
        recommender: The model, trained in place.
        settings: Training settings.
        folder: Folder of the result.
        objective: The losses and the teacher; the labels alone by default.
        keep_new: Whether items that are in no training history are left out of the softmax, with their rows unchanged.
        tracked_as: Name of the model in trackers; that of the training by default.
    """
    objective = objective or Objective()
    examples = recommender.task.training_examples(recommender.sequences, recommender.catalogue)
    selected_by = headlines_of(context.run).selected_by
    arguments = _arguments(context, settings, folder, selected_by, tracked_as or name)
    holders = _holders_of_items(recommender)
    candidates = recommender.known_candidates() if keep_new else recommender.candidates
    rows = _rows_of_their_own(recommender, holders, candidates, settings)
    with (
        context.progress.job(name, total=settings.steps) as step,
        adapted(recommender.model, settings.lora, trained=[holder.get_parameter("weight") for holder in holders]),
        wandb_run_closed(settings.report_to),
    ):
        callbacks = [*early_stopping(settings), *rows, _Progress(step, selected_by), *own_callbacks(context.run)]
        trainer = _trainer(
            context,
            recommender,
            settings,
            examples,
            objective,
            arguments=arguments,
            candidates=candidates,
            callbacks=callbacks,
        )
        _place_events(context, trainer, tracked_as or name)
        history = fit(trainer, context.progress.note)
    # a model that is divided among the processes comes together in the first one
    trained = whole_copy(recommender.model) if is_sharded(recommender.model) else recommender.model
    if context.world.is_first and trained is not None:
        attrs.evolve(recommender, model=trained).save(folder)
        work = _work(recommender, trainer, examples, objective.teacher, history[-1]["seconds"])
        write_json(folder / TRAINING, _course(history, selected_by, arguments) | work)


def _trainer(
    context: Context,
    recommender: StageModel,
    settings: "FitSettings",
    examples: Examples,
    objective: Objective,
    *,
    arguments: "TrainingArguments",
    candidates: torch.Tensor,
    callbacks: Sequence[TrainerCallback],
) -> DistillationTrainer:
    return DistillationTrainer(
        recommender.model,
        arguments,
        examples,
        losses=objective.losses,
        teacher=objective.teacher,
        balancing=objective.balancing,
        log_gradient_norms=objective.log_gradient_norms,
        selection=objective.selection,
        candidates=candidates,
        validate=_validation(context, recommender),
        registry=context.registry,
        data_collator=collate,
        callbacks=callbacks,
        embedding_dropout=settings.embedding_dropout,
        shared_batch=True,
        compiled=settings.compile,
        liger=settings.kernels == "liger",
        tell=context.progress.note,
    )


def _place_events(context: Context, trainer: DistillationTrainer, name: str) -> None:
    """Have TensorBoard's events, where they are wanted, written into the run's folder."""
    if trainer.args.report_to:
        place_tensorboard(trainer.callback_handler.callbacks, str(tensorboard_folder(context.root, name)))


def own_callbacks(run: "RunConfig") -> list[TrainerCallback]:
    """Return the ``transformers`` callbacks that the run names.

    Raises:
        ConfigurationError: One cannot be imported, or is no ``TrainerCallback``.
    """
    callbacks = []
    for name in run.callbacks:
        made: Any = name.value if isinstance(name, Given) else attribute_named("callback", name)
        made = made() if isinstance(made, type) else made
        if not isinstance(made, TrainerCallback):
            raise ConfigurationError(f"callback {str(name)!r} is no transformers.TrainerCallback, got {made!r:.80}")
        callbacks.append(made)
    return callbacks


def _arguments(
    context: Context, settings: "FitSettings", folder: Path, selected_by: str, model: str
) -> "TrainingArguments":
    """Return the trainer's arguments for the run's device, with checkpoints beside the result."""
    precision = precision_of(context, folder, settings)
    return training_arguments(
        folder.with_name(CHECKPOINTS),
        attrs.evolve(settings, precision=precision),
        seed=context.run.seed,
        device=context.device.type,
        validated=True,
        metric=selected_by,
        name=name_in_trackers(context.root, model),
    )


def precision_of(context: Context, folder: Path, settings: "FitSettings") -> Literal["bfloat16", "float32"]:
    """Choose the precision once and store it: on resuming, a busy machine might time the other one as faster.

    Args:
        context: The run.
        folder: Folder of the training's result, beside which the choice is stored.
        settings: Training settings.
    """
    return context.world.first(partial(_precision, folder, settings, context.device))


def _precision(folder: Path, settings: "FitSettings", device: torch.device) -> Literal["bfloat16", "float32"]:
    marker = folder.with_name(PRECISION)
    if not marker.is_file():
        in_half = in_bfloat16(settings.precision, device)
        with written_whole(marker) as partial:
            partial.write_text("bfloat16" if in_half else "float32", encoding="utf-8")
    return "bfloat16" if marker.read_text(encoding="utf-8") == "bfloat16" else "float32"


def _course(history: Sequence[Mapping[str, float]], selected_by: str, arguments: "TrainingArguments") -> dict[str, Any]:
    """Return the seconds, precision and curve of a training, as the result file has them."""
    shown = ("step", "loss", selected_by, "seconds")
    return {
        "seconds": history[-1]["seconds"],
        "precision": "bfloat16" if arguments.bf16 else "float32",
        "curve": [{key: record.get(key) for key in shown} | of_each_loss(record) for record in history],
    }


def _holders_of_items(recommender: StageModel) -> "list[nn.Module]":
    """Return the modules whose weights are the items' rows: embeddings, and an untied output head; none for words."""
    if recommender.catalogue.in_words:
        return []
    model = recommender.model
    # by identity: tied embeddings and head are one parameter
    return list({id(m.weight): m for m in (model.get_output_embeddings(), model.get_input_embeddings())}.values())


def _rows_of_their_own(
    recommender: StageModel, holders: "Sequence[nn.Module]", learning: torch.Tensor, settings: "FitSettings"
) -> list[TrainerCallback]:
    """Return callbacks that give the items' rows their own learning rate, and that keep rows that must not change.

    With adapters, all rows but the items' are kept.

    Args:
        recommender: The model with its items.
        holders: The modules with the items' rows; none where items are words.
        learning: int64: the rows of the items that are trained; those of other items stay as they are.
        settings: Training settings.
    """
    if not holders:
        return []
    callbacks: list[TrainerCallback] = []
    if settings.item_rows_rate != 1.0:
        callbacks.append(RowsLearnFaster(holders, learning, settings.item_rows_rate))
    # with adapters, the rows of the language model's own words stay as well
    staying = torch.full((len(holders[0].get_parameter("weight")),), settings.lora is not None)
    staying[recommender.candidates.cpu()] = True
    staying[learning.cpu()] = False
    if staying.any():
        callbacks.append(RowsStay(holders, staying.nonzero()[:, 0]))
    return callbacks


def _validation(context: Context, recommender: StageModel) -> "Callable[[PreTrainedModel], dict[str, float]]":
    """Return a function that computes a model's metrics on the validation cases, to select checkpoints by.

    It raises ``ConfigurationError`` if the metric that selects is undefined for every case.
    """
    evaluator = task_evaluation(context, "valid", in_full=False)
    selected_by = evaluator.headlines.selected_by

    # the model that Trainer passes is the recommender's own, which is trained in place
    def validate(_model: "PreTrainedModel") -> dict[str, float]:
        require_in_place(context.root)  # each validation comes before a checkpoint, whose folders would be made anew
        # made now, for a model that is divided among processes is on their devices only then
        metrics = evaluator.evaluate(evaluator.candidate(recommender)).metrics
        if metrics[selected_by] is None:
            raise ConfigurationError(
                f"the metric {selected_by!r} is NaN for each of the {evaluator.cases:,} validation cases, so that no "
                "checkpoint can be selected by it; correct it, or select by another (evaluation.selected_by)"
            )
        return {name: value for name, value in metrics.items() if value is not None}

    return validate


def _work(
    recommender: StageModel,
    trainer: DistillationTrainer,
    examples: Examples,
    teacher: "PreTrainedModel | TeacherCache | None",
    seconds: float,
) -> dict[str, float]:
    """Return the examples and tokens of the training, and an estimate of its floating-point operations.

    A forward pass takes two operations a parameter and token, a backward pass four; embeddings are looked up, but the
    candidates' output rows take part. Source: Kaplan et al. 2020, arXiv 2001.08361, section 2.1.
    """
    seen = trainer.state.global_step * trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps
    tokens = seen * float(examples.lengths.mean())
    rows = len(recommender.candidates) * recommender.model.config.get_text_config().hidden_size
    operations = 6 * (count_parameters(recommender.model).body + rows)
    in_all = operations * tokens
    if isinstance(teacher, TeacherCache):  # it read every example once
        in_all += 2 * count_parameters(teacher.teacher).body * float(examples.lengths.sum()) + 2 * rows * tokens
    elif teacher is not None:
        in_all += 2 * (count_parameters(teacher).body + rows) * tokens
    return {
        "steps": trainer.state.global_step,
        "examples": seen,
        "tokens": tokens,
        "tokens_per_second": tokens / seconds,
        "floating_point_operations": in_all,
    }


class _Progress(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Progress bar of a training."""

    def __init__(self, step: "ProgressCallback", metric: str) -> None:
        self._step, self._metric = step, metric

    def on_step_end(self, _args: object, state: TrainerState, _control: object, **_more: object) -> None:
        """Move the bar to the current step."""
        self._step(state.global_step)

    def on_evaluate(self, _args: object, state: TrainerState, _control: object, **_more: object) -> None:
        """Show the validation metric."""
        values = [entry[f"eval_{self._metric}"] for entry in state.log_history if f"eval_{self._metric}" in entry]
        self._step(state.global_step, f"validation {formatted_metric(self._metric)} {values[-1]:.4f}" if values else "")
