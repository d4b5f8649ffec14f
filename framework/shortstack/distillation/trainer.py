"""Trainer of a student on weighted losses, with or without a teacher."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from shortstack.contracts import ModelOutputs, Output, Selection
from shortstack.distillation import checkpoints
from shortstack.distillation.balancing import Balancing, Memory, make_balancing
from shortstack.distillation.callbacks import Clock, LastStep
from shortstack.distillation.checks import (
    Validate,
    check_arguments,
    check_batch,
    check_models,
)
from shortstack.distillation.length_groups import LengthGroups, lengths_of
from shortstack.distillation.model_outputs import OutputReader
from shortstack.distillation.optimiser_step import LossLog, OptimiserStep
from shortstack.distillation.reduction_check import Shape, require_sum
from shortstack.distillation.training_module import TrainingModule, output_reader, prepare
from shortstack.distillation.weighted_losses import LossSettings, wanted, weighted_losses
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.models.candidates import supervision
from shortstack.models.frozen import evaluation_copy
from shortstack.models.generation import settle_generation
from shortstack.models.precision import widen
from shortstack.models.ties import settle_ties
from shortstack.registry import Registry
from shortstack.registry.isolation import plugin_errors, written_in


class DistillationTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped
    """A ``transformers.Trainer`` whose loss is a balanced sum of distillation losses.

    With ``losses={"labels": 1.0}`` and no teacher it trains teachers, and students from scratch.

    Each loss's sum is divided by the number of its terms in the whole optimiser step, over all micro-batches and
    ranks, so that gradient accumulation and data-parallel training equal one large batch. ``trainer.model`` is the
    student together with the losses' own parameters; ``trainer.student`` is the student. Checkpoints hold safetensors
    and JSON only.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        train_dataset: Any,
        *,
        losses: LossSettings,
        teacher: PreTrainedModel | None = None,
        balancing: str | Mapping[str, object] | Balancing = "ema",
        candidates: Tensor | None = None,
        selection: Selection | None = None,
        validate: Validate | None = None,
        registry: Registry | None = None,
        data_collator: Callable[[list[Any]], dict[str, Tensor]] | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        embedding_dropout: float = 0.0,
        half_weights: bool = False,
    ) -> None:
        """Check the parts and assemble the trainer.

        Args:
            model: The student, a stock causal language model; trained in place, in eval mode afterwards. Weights of 16 bits
                become float32, for AdamW's small steps are lost in them; ``bf16=True`` in ``args`` multiplies in bfloat16.
            args: Training arguments, from ``fitting.training_arguments`` or your own.
            train_dataset: Training examples.
            losses: A weight, or a table of ``weight`` and settings, by name; or ``WeightedLoss`` objects.
            teacher: A stock model in eval mode with the student's vocabulary; moved to the device, never changed.
            balancing: ``"ema"``, ``"fixed"``, a table of name and settings, or an object.
            candidates: int64 ``(candidates,)`` tokens that are ranked; None for the whole vocabulary.
            selection: The layers of the teacher that the student was made from.
            validate: Returns the metrics of the student, in eval mode; they are logged and selected by as
                ``eval_NAME``.
            registry: Registry of the losses; the environment's plugins by default.
            data_collator: Makes ``{"input_ids", "attention_mask", "labels"}`` of examples.
            callbacks: More callbacks.
            embedding_dropout: Dropout rate of the student's input embeddings.
            half_weights: Train weights of 16 bits without conversion to float32.

        Raises:
            ConfigurationError: The parts do not fit together; the message says which and why.
            PluginError: A loss failed, or one given by name returns a mean; names it and its distribution.
        """
        ready = weighted_losses(losses, registry)
        check_arguments(args, validate)
        check_models(model, teacher, ready, train_dataset, candidates)
        _settle(model, half_weights=half_weights)
        loss_modules = prepare(ready, teacher, model, selection, args.seed)
        if isinstance(losses, Mapping):  # a WeightedLoss object is left to its author and to the conformance kit
            require_sum(ready, loss_modules, Shape.of(model, candidates), teacher and Shape.of(teacher, candidates))
        self.balancing, self.memory = make_balancing(balancing), _NOTHING_YET
        here = None if candidates is None else candidates.to(args.device)
        self._teacher = _teacher_reader(teacher, args.device, here, wanted(ready))
        self._validate, self._loss_log = validate, LossLog([loss.name for loss in ready])
        super().__init__(
            model=TrainingModule(model.to(args.device), ready, loss_modules, here, embedding_dropout),
            args=args,
            train_dataset=train_dataset,
            eval_dataset=train_dataset,  # never read: evaluate() calls validate, but Trainer requires one
            data_collator=data_collator,
            callbacks=[*callbacks, LastStep(), Clock(self._loss_log)],
        )
        self.remove_callback(PrinterCallback)

    @property
    def student(self) -> PreTrainedModel:
        """The model that is trained."""
        return self.model.student

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> Any:
        """Train, and leave the student in eval mode.

        Args:
            resume_from_checkpoint: A checkpoint's folder; True for the last one in the output folder.
            trial: Trial of a hyperparameter search.
            ignore_keys_for_eval: Unused.

        Raises:
            NonFiniteError: A loss or a validated metric became NaN or infinite; names it and the step.
            PluginError: A loss failed, or did not return a sum; names it and its distribution.
        """
        try:
            return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
        finally:
            self.student.eval()

    def restore(self, checkpoint: Path) -> None:
        """Load the state and the weights (the best ones, if they were kept) of a finished training."""
        self.state = TrainerState.load_from_json(str(checkpoint / checkpoints.STATE))
        if self.args.load_best_model_at_end and self.state.best_global_step:
            self._load_best_model()
        else:
            self._load_from_checkpoint(str(checkpoint))
        self.student.eval()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Return the length-grouped sampler if the arguments request it; else transformers' default."""
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        lengths = lengths_of(self.train_dataset if train_dataset is None else train_dataset)
        together = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroups(lengths, together, self.args.data_seed or self.args.seed)

    def get_batch_samples(
        self,
        epoch_iterator: Iterator[Any],
        num_batches: int,
        device: torch.device,  # noqa: ARG002
    ) -> tuple[list[Any], OptimiserStep | None]:
        """Return the micro-batches of one optimiser step, and the step with the terms counted over all ranks."""
        batches = list(islice(epoch_iterator, num_batches))
        return batches, self._open(batches) if batches else None

    def training_step(
        self, model: nn.Module, inputs: dict[str, Tensor | Any], num_items_in_batch: OptimiserStep | None = None
    ) -> Tensor:
        """Run one micro-batch forwards and backwards; after the last one, check and record the step's losses."""
        step = num_items_in_batch or self._open([inputs])
        loss: Tensor = super().training_step(model, inputs, step)
        step.pending -= 1
        if not step.pending:
            self._close(step)
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: OptimiserStep | None = None,
    ) -> Any:
        """Return the micro-batch's part of ``Σ_k multiplier_k · sum_k / count_k``, and the sums if requested."""
        step = num_items_in_batch or self._open([inputs])
        batch = {name: inputs[name] for name in ("input_ids", "attention_mask", "labels")}
        sums = model(**batch, teacher=self._ask_teacher(**batch))
        step.sums += sums.detach()
        # data-parallel wrappers average the gradients of the ranks, but counts are of all ranks, so the sum is needed
        loss = (sums * step.scales).sum() * self.accelerator.num_processes
        return (loss, sums) if return_outputs else loss

    @torch.no_grad()
    def _ask_teacher(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> ModelOutputs:
        if self._teacher is None:
            return ModelOutputs()
        positions, _ = supervision(labels)
        with self.accelerator.autocast():
            return self._teacher(input_ids, attention_mask, positions)

    def _open(self, batches: Sequence[Mapping[str, Tensor]]) -> OptimiserStep:
        vocabulary = self.student.get_input_embeddings().num_embeddings
        for batch in batches:
            check_batch(batch, vocabulary)
        placed = [self._prepare_inputs(batch) for batch in batches]
        # before any forward pass, because the first micro-batch is divided by the counts of all
        counts = sum(self.model.count(batch["attention_mask"], batch["labels"]) for batch in placed)
        weights = {loss.name: loss.weight for loss in self.model.losses}
        with self._blaming():
            multipliers = self.balancing.multipliers(weights, self.memory)
        return OptimiserStep.open(
            counts=self.accelerator.reduce(counts.double(), reduction="sum"),
            multipliers=[multipliers[name] for name in weights],
            micro_batches=len(batches),
        )

    def _close(self, step: OptimiserStep) -> None:
        step.sums = self.accelerator.reduce(step.sums, reduction="sum")
        means = step.means(self.model.losses, number=self.state.global_step + 1)
        with self._blaming():
            self.memory = self.balancing.remember(self.memory, means)
        self._loss_log.add(means)

    def _blaming(self) -> AbstractContextManager[None]:
        return plugin_errors(f"balancing {written_in(self.balancing)}")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add every loss's mean since the last log, and the seconds since training began."""
        if "loss" in logs:
            logs.update(self._loss_log.take())
        logs["seconds"] = self._loss_log.seconds()
        super().log(logs, start_time)

    def predict(self, *_: object, **__: object) -> Any:
        """Raise: not supported by this trainer.

        Raises:
            ConfigurationError: Always: losses are not predictions.
        """
        raise ConfigurationError(
            "predict() is not this trainer's: call trainer.student, or use RecommendationEvaluator"
        )

    def _set_signature_columns_if_needed(self) -> None:
        """Keep columns that the student's ``forward`` accepts, so that unread ones are refused, not dropped."""
        super()._set_signature_columns_if_needed()
        self._signature_columns += inspect.signature(self.student.forward).parameters

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Return and log ``validate``'s metrics of the student in evaluation mode; its modules keep their modes.

        Raises:
            ConfigurationError: There is no ``validate``, it lacks the metric that models are selected by, or a data set is given.
            NonFiniteError: A metric is NaN or infinite.
        """
        if eval_dataset is not None:
            raise ConfigurationError("evaluate() asks validate(model), which has data of its own; give it no data set")
        if self._validate is None:
            raise ConfigurationError("evaluate() needs metrics: give the trainer a function validate(model)")
        with torch.no_grad():
            measured = self._validate(evaluation_copy(self.student))
        metrics = {f"{metric_key_prefix}_{name}": float(value) for name, value in measured.items()}
        self._require_selection_metric(measured)
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise NonFiniteError(f"the validated metric {name!r} is {value} at step {self.state.global_step}")
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _require_selection_metric(self, metrics: Mapping[str, float]) -> None:
        name = self.args.metric_for_best_model
        if name is not None and name.removeprefix("eval_") not in metrics:
            raise ConfigurationError(
                f"metric_for_best_model is {name!r}, which validate does not give "
                f"({', '.join(metrics)}); choose one of those"
            )

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Return the names of the student's matrices: no vectors, and no parameters of the losses."""
        return [n for n, p in model.named_parameters() if p.ndim >= 2 and not n.startswith("loss_modules.")]

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:  # noqa: ARG002
        """Save the student, or its trained adapters, alone; transformers would add a pickle of the arguments."""
        if self.args.should_save:
            checkpoints.save_weights(self.student, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:  # noqa: ARG002
        checkpoints.load_weights(self.student, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        folder = Path(self.args.output_dir)
        checkpoints.load_weights(self.student, folder / f"checkpoint-{self.state.best_global_step}")

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.args.should_save:
            state = {
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.lr_scheduler.state_dict(),
                "losses": self.model.loss_modules.state_dict(),
                "balancing": self.memory,
            }
            checkpoints.save_tree(Path(output_dir) / "training.safetensors", state)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            state = checkpoints.load_tree(Path(checkpoint) / "training.safetensors")
            self.optimizer.load_state_dict(state["optimizer"])
            self.lr_scheduler.load_state_dict(state["scheduler"])
            self.model.loss_modules.load_state_dict(state["losses"])
            self.memory = state["balancing"]

    def _save_rng_state(self, output_dir: str) -> None:
        path = Path(output_dir)
        path.mkdir(parents=True, exist_ok=True)
        checkpoints.save_tree(path / f"random-{self.args.process_index}.safetensors", checkpoints.random_state())

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        rank = self.args.process_index
        path = Path(checkpoint) / f"random-{rank}.safetensors"
        if rank and not path.is_file():  # there were fewer processes
            checkpoints.begin_random_state(self.args.seed, self.state.global_step, rank)
        else:
            checkpoints.restore_random_state(checkpoints.load_tree(path))


_NOTHING_YET: Memory = {}


def _settle(model: PreTrainedModel, *, half_weights: bool) -> None:
    """Correct the config for a tied head and for generation, and convert 16-bit weights to float32, in place."""
    settle_ties(model)
    settle_generation(model)
    if not half_weights:
        widen(model)


def _teacher_reader(
    teacher: PreTrainedModel | None, device: torch.device, candidates: Tensor | None, needs: frozenset[Output]
) -> OutputReader | None:
    """Return a reader of the teacher, moved to the device; None if no loss needs a teacher."""
    if teacher is None or not any(output.of_teacher for output in needs):
        return None
    teacher.to(device)
    return output_reader(teacher, candidates, needs, Output.TEACHER_LOGITS, Output.TEACHER_STATES)
