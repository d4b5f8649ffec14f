"""Trainer of a student on weighted losses, with or without a teacher."""

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any

import torch
from accelerate.utils import AutocastKwargs
from torch import Tensor, nn
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback, TrainerControl, TrainingArguments

from shortstack.contracts import Selection
from shortstack.distillation import checkpoints
from shortstack.distillation.balancing import (
    AnyBalancing,
    TrainedStep,
    checked_multipliers,
    make_balancing,
    measures_gradients,
    remembered,
)
from shortstack.distillation.callbacks import Clock, LastStep
from shortstack.distillation.checkpointed_trainer import CheckpointedTrainer
from shortstack.distillation.checks import (
    Validate,
    check_arguments,
    check_batch,
    check_cache,
    check_lengths,
    check_metrics,
    check_models,
)
from shortstack.distillation.compiled_layers import CompiledLayers, compiled_step
from shortstack.distillation.gradient_norms import GradientNorms
from shortstack.distillation.interpolation import part_done
from shortstack.distillation.length_groups import LengthGroups, lengths_of
from shortstack.distillation.model_outputs import PassOutputs
from shortstack.distillation.nonfinite_examples import nonfinite_example
from shortstack.distillation.optimiser_step import LossLog, OptimiserStep
from shortstack.distillation.parts import (
    Part,
    PartCollate,
    collation,
    random_stream,
    rows_of,
    share_of,
    sum_gradients,
    with_whole_batches,
    without_marks,
)
from shortstack.distillation.pass_checks import check_passes
from shortstack.distillation.reduction_check import tried_losses
from shortstack.distillation.sharded_training import keep_arithmetic, use_plugin
from shortstack.distillation.teacher_cache import Collate, Numbered, TeacherCache, without_index
from shortstack.distillation.teacher_outputs import TeacherOutputs
from shortstack.distillation.trackers import Tell, Tracker, require_trackers, with_trackers_guarded
from shortstack.distillation.training_module import TrainingModule, prepare
from shortstack.distillation.weighted_losses import LossSettings, losses_at, wanted, weighted_losses
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.models.batch_keys import KEYS
from shortstack.models.frozen import evaluation_copy
from shortstack.models.generation import settle_generation
from shortstack.models.precision import widen
from shortstack.models.sharding import gathered
from shortstack.models.ties import settle_ties
from shortstack.registry import Registry
from shortstack.registry.expert_rows import unaligned_experts_named

_LOG = logging.getLogger(__name__)


class DistillationTrainer(CheckpointedTrainer):
    """A ``transformers.Trainer`` whose loss is a balanced sum of distillation losses.

    With ``losses={"labels": 1.0}`` and no teacher it trains teachers, and students from scratch.

    Each loss's sum is divided by the number of its terms in the whole optimiser step, over all micro-batches and
    ranks, so that gradient accumulation and data-parallel training equal one large batch. ``trainer.model`` is the
    student together with the losses' own parameters; ``trainer.student`` is the student. Checkpoints hold safetensors
    and JSON only.

    Args:
        model: The student, a stock causal language model; trained in place, in eval mode afterwards. Weights of 16 bits
            become float32, for AdamW's small steps are lost in them; ``bf16=True`` in ``args`` multiplies in bfloat16.
        args: Training arguments, from ``training_arguments.training_arguments`` or your own.
        train_dataset: Training examples.
        losses: A weight, a table of ``weight`` and settings, or a loss or function of one's own, by name; or
            ``WeightedLoss`` objects.
        teacher: A stock model in eval mode, of any family, with the student's vocabulary: each id is the same token in
            both. Moved to the device, never changed. Or the cache of one's final states for these examples, so that
            no teacher runs.
        balancing: A name such as ``"ema"``, a table of name and settings, or an object.
        candidates: int64 ``(candidates,)`` tokens that are ranked; None for the whole vocabulary.
        selection: The layers of the teacher that the student was made from; None for a student of another origin.
        validate: Returns the metrics of the student, in eval mode; they are logged and selected by as
            ``eval_NAME``.
        registry: Registry of the losses; the environment's plugins by default.
        data_collator: Makes ``{"input_ids", "attention_mask", "labels"}`` of examples.
        callbacks: More callbacks; what one raises ends the training, while a tracker of ``args.report_to`` may fail.
        embedding_dropout: Dropout rate of the student's input embeddings.
        half_weights: Train weights of 16 bits without conversion to float32.
        log_gradient_norms: Log each loss's gradient norm on the student's first layer at the steps that are logged:
            one more backward pass a loss there. A balancing that needs them has them measured at every step.
        shared_batch: The batch of ``args`` is that of all processes together, each of which takes its part of every
            batch; so the number of processes changes neither steps nor epochs. By default each process has such a
            batch of its own, as with any ``Trainer``.
        compiled: Compile the layers of student and teacher (``torch.compile``) for the training alone; see the setting
            ``compile``.
        liger: Run student and teacher on Liger's kernels for the training alone; see the setting ``kernels``.
        tell: Receives a sentence on a tracker that failed.

    Raises:
        ConfigurationError: The parts do not fit together; the message says which and why.
        PluginError: A loss failed, or one given by name returns a mean; names it and its distribution.
    """

    _summing: nn.Module | None = None

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        train_dataset: Any,
        *,
        losses: LossSettings,
        teacher: PreTrainedModel | TeacherCache | None = None,
        balancing: str | Mapping[str, object] | AnyBalancing = "ema",
        candidates: Tensor | None = None,
        selection: Selection | None = None,
        validate: Validate | None = None,
        registry: Registry | None = None,
        data_collator: Collate | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        embedding_dropout: float = 0.0,
        half_weights: bool = False,
        log_gradient_norms: bool = False,
        shared_batch: bool = False,
        compiled: bool = False,
        liger: bool = False,
        tell: Tell = _LOG.warning,
    ) -> None:
        """Check the parts and assemble the trainer."""
        cache, teacher = (teacher, teacher.teacher) if isinstance(teacher, TeacherCache) else (None, teacher)
        ready = weighted_losses(losses, registry)
        check_arguments(args, validate)
        require_trackers(args.report_to)
        check_models(model, teacher, ready, train_dataset, candidates)
        if cache is not None:
            check_cache(ready)
            cache.check(train_dataset)
        _settle(model, half_weights=half_weights)
        modules = prepare(ready, teacher, model, selection, args.seed)
        # a WeightedLoss object is left to its author and to the conformance kit
        ready = tried_losses(ready, modules, model, teacher, candidates, sums=isinstance(losses, Mapping))
        self.balancing, self._log_gradient_norms = make_balancing(balancing), log_gradient_norms
        norms = log_gradient_norms or measures_gradients(self.balancing)
        check_passes(args, model, teacher, gradient_norms=norms, compiled=compiled, liger=liger)
        here = None if candidates is None else candidates.to(args.device)
        self._teacher = TeacherOutputs.of(cache or teacher, args, here, wanted(ready), compiled=compiled, liger=liger)
        self._around_step = compiled_step if compiled else nullcontext
        self._validate, self._loss_log = validate, LossLog()
        student = model if args.fsdp else model.to(args.device)  # a model that is to be divided may not fit
        layers = CompiledLayers() if compiled else None
        part = Part(rank=args.process_index, size=args.world_size) if shared_batch and args.world_size > 1 else None
        super().__init__(
            TrainingModule(student, ready, modules, here, embedding_dropout, part=part, compiled=layers, liger=liger),
            args,
            collation(data_collator, part, numbered=cache is not None),
            train_dataset if cache is None else Numbered(train_dataset),
            eval_dataset=train_dataset,  # never read: evaluate() calls validate, but Trainer requires one
            callbacks=[*callbacks, LastStep(), Clock(self._loss_log)],
        )
        self.remove_callback(PrinterCallback)
        every = self.callback_handler.callbacks
        self.callback_handler.callbacks = with_trackers_guarded(every, callbacks, self.student, tell)

    @unaligned_experts_named()
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
            rank, shared = int(self.args.process_index), isinstance(self.data_collator, PartCollate)
            self.stream = random_stream(rank, self.student, self.model.loss_modules, shared=shared)
            if self.stream:
                checkpoints.begin_random_state(self.args.seed, 0, self.stream)
            return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
        finally:
            self.student.eval()
            self._close_trackers()

    def _close_trackers(self) -> None:
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, Tracker):
                callback.close(self.args, self.state, self.control)

    def create_accelerator_and_postprocess(self) -> None:
        """Create the accelerator, with its sharding on the CPU as well as on GPUs."""
        if self.args.fsdp:
            keep_arithmetic(self.args)
        super().create_accelerator_and_postprocess()
        if self.args.fsdp:
            use_plugin(self.accelerator, self.args)
            self.is_fsdp_enabled = True

    def get_train_dataloader(self) -> Any:
        """Return the batches of this process, or, of a batch that all share, its part of each."""
        loader = super().get_train_dataloader()
        return with_whole_batches(loader) if isinstance(self.data_collator, PartCollate) else loader

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
        if model is not self._summing:
            self._summing = model
            sum_gradients(model)
        with self._around_step():
            loss: Tensor = super().training_step(model, inputs, step)
        step.pending -= 1
        if not step.pending:
            self._close(step)
        # transformers logs the mean of the processes' losses, each of which is a part of the whole
        return loss * int(self.accelerator.num_processes)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: OptimiserStep | None = None,
    ) -> Any:
        """Return the micro-batch's part of ``Σ_k multiplier_k · sum_k / count_k``, and the sums if requested."""
        step = num_items_in_batch or self._open([inputs])
        batch, share = {name: inputs[name] for name in KEYS}, share_of(inputs)
        measured = step.gradients is not None
        teacher = self._ask_teacher(inputs)
        # accelerate leaves it to FSDP where a model is divided. That adds a layer's gradients when those of its inputs are
        # there, and a weight that an earlier pass converted, and that the cache holds, would give its own too late
        with self.accelerator.autocast(AutocastKwargs(cache_enabled=not self.args.fsdp)):
            total, apart = model(
                **batch, teacher=teacher, scales=step.scales * share, rows=rows_of(inputs), apart=measured
            )
        if step.gradients is not None:
            step.gradients.add([value * share for value in apart])
        sums = torch.stack(apart).detach() * share
        step.sums += sums
        return (total, sums) if return_outputs else total

    @torch.no_grad()
    def _ask_teacher(self, inputs: Mapping[str, Tensor]) -> PassOutputs:
        # the cache's head, too: its rows are converted once here, or else for every chunk
        with self.accelerator.autocast():
            return self._teacher(inputs)

    def _open(self, batches: Sequence[Mapping[str, Tensor]]) -> OptimiserStep:
        self.model.losses = losses_at(self.model.losses, part_done(self._next_step, self.state.max_steps))
        self.model.draw(seed=self.args.seed, step=self._next_step)
        vocabulary = self.student.get_input_embeddings().num_embeddings
        reading = {"student": self.student, **self._teacher.models}
        for batch in batches:
            whole = without_marks(batch)
            check_batch(whole if self._teacher.cached is None else without_index(whole), vocabulary)
            check_lengths(batch, reading)
        placed = [self._prepare_inputs(batch) for batch in batches]
        # before any forward pass, because the first micro-batch is divided by the counts of all
        counts = [self.model.count(one["attention_mask"], one["labels"]).double() * share_of(one) for one in placed]
        return OptimiserStep.open(
            counts=self.accelerator.reduce(torch.stack(counts).sum(0), reduction="sum"),
            multipliers=checked_multipliers(self.balancing, self._weights, self.memory, step=self._next_step),
            batches=placed,
            gradients=self._gradients(),
        )

    def _close(self, step: OptimiserStep) -> None:
        step.sums = self.accelerator.reduce(step.sums, reduction="sum")
        known = TrainedStep(
            number=self._next_step,
            steps=self.state.max_steps,
            weights=self._weights,
            multipliers=step.multipliers,
            means=self._means(step),
            gradient_norms=self._gradient_norms(step),
        )
        self.memory = remembered(self.balancing, self.memory, known)
        self._loss_log.add(known)

    def _means(self, step: OptimiserStep) -> dict[str, float]:
        """Return every loss's mean; where one is not finite, the error also says for which example of the step."""
        try:
            return step.means(self.model.losses, number=self._next_step)
        except NonFiniteError as error:
            if tokens := nonfinite_example(step.batches, partial(self._sums, step.scales)):
                error.add_note(f"the first example with such a loss has the tokens {tokens}")
            raise

    def _sums(self, scales: Tensor, example: Mapping[str, Tensor]) -> Sequence[Tensor]:
        inputs = {name: example[name] for name in KEYS}
        sums: Sequence[Tensor] = self.model(**inputs, teacher=self._ask_teacher(example), scales=scales)[1]
        return sums

    @property
    def _weights(self) -> dict[str, float]:
        return {loss.name: loss.weight for loss in self.model.losses}

    @property
    def _next_step(self) -> int:
        return int(self.state.global_step) + 1

    def _gradients(self) -> GradientNorms | None:
        """Return what the gradients of the next step are added to, if they are measured: if it is logged, or needed."""
        number, state = self._next_step, self.state
        logged = number % max(state.logging_steps, 1) == 0 or number == state.max_steps
        if not measures_gradients(self.balancing) and not (self._log_gradient_norms and logged):
            return None
        return GradientNorms.of(self.student, len(self.model.losses))

    def _gradient_norms(self, step: OptimiserStep) -> Mapping[str, float]:
        if step.gradients is None:
            return {}
        counts = step.counts[:-1].tolist()
        reduce = partial(self.accelerator.reduce, reduction="sum")
        return step.gradients.norms(list(self._weights), counts, reduce, step=self._next_step)

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
        with torch.no_grad(), gathered(self.model):
            measured = self._validate(evaluation_copy(self.student))
        metrics = {f"{metric_key_prefix}_{name}": float(value) for name, value in measured.items()}
        selected_by, step = self.args.metric_for_best_model, self.state.global_step
        check_metrics(measured, selected_by, prefix=metric_key_prefix, step=step)
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Return the names of the student's matrices: no vectors, and no parameters of the losses."""
        return [n for n, p in model.named_parameters() if p.ndim >= 2 and not n.startswith("loss_modules.")]


def _settle(model: PreTrainedModel, *, half_weights: bool) -> None:
    """Correct the config for a tied head and for generation, and convert 16-bit weights to float32, in place."""
    settle_ties(model)
    settle_generation(model)
    if not half_weights:
        widen(model)
