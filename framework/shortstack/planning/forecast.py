"""Estimates of each stage's time and memory, before any weight is loaded."""

import copy
from collections.abc import Iterator
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.evaluation.sasrec import GRID, LAYERS
from shortstack.models.decoder import most_positions
from shortstack.models.initial import initial_config
from shortstack.models.memory_needs import LOADED, TRAINED, Learning, memory_needed
from shortstack.models.parameters import count_parameters
from shortstack.planning.model_shapes import DistillationRound, ModelShapes
from shortstack.planning.plan import Forecast
from shortstack.planning.speed import Assumed, Cut, How, Measured, Speed, Taken, Work
from shortstack.planning.workload import Histories, Workload
from shortstack.run_layout import SASREC
from shortstack.tasks import task_of
from shortstack.teachers.items import items_in_words, require_positions

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from shortstack.config.run import RunConfig
    from shortstack.config.training import FitSettings
    from shortstack.registry import Registry

CASES_AT_ONCE = 256
"""Batch size of the evaluation, in histories."""
_GRADIENT = 4
"""Bytes of a parameter's gradient, float32."""


@attrs.frozen(kw_only=True, eq=False)
class Forecaster:
    """Estimates of a run's stages.

    Attributes:
        run: The settings.
        shapes: The configs of its models.
        extent: What they process.
        speed: How fast they are.
        device: The device that was timed; None for a machine that is not this one.
        processes: How many share the work.
    """

    run: "RunConfig"
    shapes: ModelShapes
    extent: Workload
    speed: Speed
    device: "torch.device | None"
    processes: int = 1

    @classmethod
    def of(
        cls,
        run: "RunConfig",
        config: "PreTrainedConfig",
        *,
        registry: "Registry",
        users: int | None = None,
        items: int | None = None,
        tflops: float | None = None,
        data: Histories | None = None,
        speed: Speed | None = None,
        processes: int = 1,
    ) -> "Forecaster":
        """Prepare the estimates; see ``Run.forecast``.

        Data that are given are not read again, and ``speed`` may be that of another run, of which timings are used again.
        """
        from shortstack.models.devices import device_named

        extent = _extent(run, config, users, items, data)
        positions = most_positions(config.get_text_config())
        require_positions(positions, extent.widest, task_of(run.task).window, in_words=items_in_words(run))
        device = device_named(run.device)
        if speed is None:
            speed = Measured(device=device) if tflops is None else Assumed(tflops=tflops)
        whole = copy.deepcopy(config)
        whole.get_text_config().vocab_size = extent.vocabulary
        shapes = ModelShapes(run=run, config=whole, registry=registry)
        timed = device if tflops is None else None
        return cls(run=run, shapes=shapes, extent=extent, speed=speed, device=timed, processes=processes)

    def weights(self) -> dict[str, float]:
        """Return the bytes of weights that each stage leaves on the disk, in float32, by its name."""
        shapes, sizes = self.shapes, dict[str, float]()
        sizes["teacher"] = memory_needed(shapes.of_teacher(shapes.layers), "nothing")
        for step in shapes.steps():
            student = memory_needed(shapes.of_student(step.kept), "nothing")
            sizes |= dict.fromkeys([step.round.named("pruning"), step.round.named("distillation")], student)
            if self.run.evaluation.scratch:
                sizes["scratch"] = student
        if self.run.evaluation.sasrec:
            widest = self._of_sasrec(max(setting.width for setting in GRID), LAYERS)
            sizes[SASREC] = memory_needed(widest, "nothing")
        return sizes

    def stages(self) -> Iterator[Forecast]:
        """Estimate every stage that runs a model."""
        run, shapes, fit = self.run, self.shapes, self.run.teacher_fit
        if fit is not None:
            yield self._training("teacher", fit, shapes.of_teacher, shapes.layers)
        examples = 0 if fit is None else fit.steps * fit.batch_size
        sizes = [shapes.layers]
        for round_ in shapes.steps():
            yield self._sweep(round_)
            name = round_.round.named("distillation")
            yield self._training(name, run.distillation.fit, shapes.of_student, round_.kept, taught=round_)
            # the model from scratch is trained on as many examples as the student and its teachers
            examples += run.distillation.fit.steps * run.distillation.fit.batch_size
            sizes.append(round_.kept)
        if run.evaluation.scratch:
            yield self._training("scratch", run.scratch_fit(examples), shapes.of_student, sizes[-1])
            sizes.append(sizes[-1])
        if run.evaluation.sasrec:
            yield self._search()
        # once more, for the last step's pruned model and its student have the same depth
        yield self._evaluation([*sizes, sizes[-1]])

    def _training(
        self, stage: str, fit: "FitSettings", cut: Cut, layers: int, taught: DistillationRound | None = None
    ) -> Forecast:
        """Estimate a training: steps, validations, and forward passes of the teacher, if there is one."""
        width, how = self.extent.width(fit), self._how(fit)
        work = self._work(self._part(fit.batch_size // fit.accumulate), width, ceil(self.extent.supervised))
        taken = self.speed.of(cut, layers, work, how)
        seconds = fit.accumulate * taken.seconds + taken.optimiser
        memory = self._held(cut(layers), how.learning, divided=self._divides(fit)) + self._at_most(taken, width)
        checks = ceil(fit.steps / fit.evaluate_every)
        checking = self._predicting(cut, layers, self.extent.cases[0])
        sent = fit.steps * (self._exchanged(cut(layers), fit) if self._divides(fit) else self._sent(cut(layers), how))
        alone = Forecast(
            stage=stage, seconds=fit.steps * seconds + checks * checking, memory_bytes=memory, sent_bytes=sent
        )
        return alone if taught is None else self._with_teacher(alone, fit, taught, work, how)

    def _search(self) -> Forecast:
        """Estimate the trainings of SASRec, each to its last step, before which validation users may end it."""
        trainings = [
            self._training(SASREC, setting.fit(self.extent.examples), partial(self._of_sasrec, setting.width), LAYERS)
            for setting in GRID
        ]
        return Forecast(
            stage=SASREC,
            seconds=sum(training.seconds for training in trainings),
            memory_bytes=max(training.memory_bytes for training in trainings),
            sent_bytes=sum(training.sent_bytes for training in trainings),
        )

    def _of_sasrec(self, width: int, layers: int) -> "PreTrainedConfig":
        """Return SASRec's config; its dropout hardly changes the time, so all settings of a width are timed as one."""
        fields = attrs.evolve(GRID[0], width=width).config(self.extent.widest)
        return initial_config({**fields, "n_layer": layers}, vocabulary=self.extent.candidates + 1)

    def _with_teacher(
        self, student: Forecast, fit: "FitSettings", taught: DistillationRound, work: Work, how: How
    ) -> Forecast:
        """Add the teacher's passes: one for each micro-batch, or over all examples before the student's training."""
        teacher = self.shapes.teaching(taught)
        memory = self._held(teacher(taught.taught_by), "nothing", divided=self._divides(fit))
        a_pass = self.speed.of(teacher, taught.taught_by, work, How(bfloat16=how.bfloat16)).seconds
        if not self._from_cache(fit):
            seconds = student.seconds + fit.steps * fit.accumulate * a_pass
            return attrs.evolve(student, seconds=seconds, memory_bytes=student.memory_bytes + memory)
        return attrs.evolve(
            student,
            # the first of several processes writes the cache alone
            seconds=student.seconds + ceil(self.extent.examples / work.examples) * a_pass,
            memory_bytes=max(student.memory_bytes, memory),
            disk_bytes=self._cache_bytes(teacher, taught, how),
        )

    def _from_cache(self, fit: "FitSettings") -> bool:
        """Return True if the student learns from the teacher's stored states, as far as is known before the run."""
        from shortstack.distillation.teacher_cache import cache_pays
        from shortstack.distillation.weighted_losses import weighted_losses

        settings = self.run.distillation
        if settings.cache != "auto" or self._is_sharded:
            return settings.cache == "on"
        losses = weighted_losses(settings.losses, self.shapes.registry)
        return cache_pays(losses, seen=fit.steps * fit.batch_size, examples=self.extent.examples)

    def _cache_bytes(self, teacher: Cut, taught: DistillationRound, how: How) -> int:
        from shortstack.distillation.teacher_cache import bytes_of

        positions = round(self.extent.supervised * self.extent.examples)
        hidden: int = teacher(taught.taught_by).get_text_config().hidden_size
        return bytes_of(positions, hidden, bfloat16=how.bfloat16)

    def _how(self, fit: "FitSettings") -> How:
        """Return how a training computes; on a machine that is not this one, in bfloat16 unless that is ruled out."""
        from shortstack.distillation.training_arguments import in_bfloat16

        in_half = fit.precision != "float32" if self.device is None else in_bfloat16(fit.precision, self.device)
        return How(learning=self.shapes.learning(fit), bfloat16=in_half, recomputed=fit.gradient_checkpointing)

    def _sweep(self, step: DistillationRound) -> Forecast:
        """Estimate one pass over the calibration examples.

        It takes about as long as one of training: the scorers' work costs what the gradients of the weights would.
        """
        round_, layers, settings = step.round, step.before, self.run.importance
        cut = self.shapes.of_teacher if round_.before is None else self.shapes.of_student
        width = int(self.extent.lengths.mean())
        taken = self.speed.of(cut, layers, self._work(settings.batch_size, width, 1), How(learning="all"))
        batches = self._part(ceil(settings.examples / settings.batch_size))
        memory = self._held(cut(layers), "nothing", divided=self._is_sharded) + self._at_most(taken, width)
        return Forecast(stage=round_.importance, seconds=batches * taken.seconds, memory_bytes=memory)

    def _at_most(self, taken: Taken, width: int) -> float:
        """Return the bytes of activations of the widest batch, in proportion to those of one ``width`` tokens wide."""
        return taken.activations * self.extent.widest / width

    def _evaluation(self, sizes: list[int]) -> Forecast:
        """Estimate the evaluation: every model on every test case."""
        teacher, *others = sizes
        compressed = self.run.evaluation.compressed
        others += [others[-1]] * len(compressed.student)
        predicting = self._predicting(self.shapes.of_teacher, teacher, self.extent.cases[1])
        seconds = (1 + len(compressed.teacher)) * predicting
        for layers in set(others):
            seconds += others.count(layers) * self._predicting(self.shapes.of_student, layers, self.extent.cases[1])
        memory = self._held(self.shapes.of_teacher(teacher), "nothing", divided=self._is_sharded)
        return Forecast(stage="evaluation", seconds=seconds, memory_bytes=memory)

    def _predicting(self, cut: Cut, layers: int, cases: int) -> float:
        """Return the seconds in which a model predicts some cases."""
        at_once = min(cases, CASES_AT_ONCE)
        work = self._work(at_once, self.extent.case_tokens, 1)
        batches = cases / at_once if self.processes == 1 else self._part(ceil(cases / at_once))
        return batches * self.speed.of(cut, layers, work, How()).seconds

    def _part(self, amount: int) -> int:
        """Return what the process with the most has of work that all share."""
        return ceil(amount / self.processes)

    def _sent(self, config: "PreTrainedConfig", how: How) -> float:
        """Return the bytes that a process sends in a step; gradients of adapters are not counted.

        Source: Patarasu and Yuan 2009: a ring sends each byte 2 (n − 1) / n times.
        """
        trained = (memory_needed(config, how.learning) - memory_needed(config, "nothing")) / (TRAINED - LOADED)
        return 2 * (self.processes - 1) / self.processes * trained * _GRADIENT

    @property
    def _is_sharded(self) -> bool:
        """True if the processes divide the teacher among them wherever all run it, and models in some training."""
        return self.run.is_sharded and self.processes > 1

    def _divides(self, fit: "FitSettings") -> bool:
        return self._is_sharded and fit.parallel == "fsdp"

    def _held(self, config: "PreTrainedConfig", learning: Learning, *, divided: bool) -> float:
        """Return the bytes that a process holds of a model: all of it; or its part, and what is gathered for a while.

        Gathered are embeddings and output rows, and two layers, of which one comes while the other runs: their weights, and
        their gradients if they are trained.
        """
        needed = memory_needed(config, learning)
        if not divided:
            return needed
        count = count_parameters(config)
        gathered = count.fixed + 2 * max(count.layers)
        return needed / self.processes + gathered * (LOADED + (_GRADIENT if learning == "all" else 0))

    def _exchanged(self, config: "PreTrainedConfig", fit: "FitSettings") -> float:
        """Return the bytes that a process sends in a step of a divided model, but for those of its teacher.

        In each micro-batch weights are gathered for the way forwards and for the way back; gradients are sent once.
        Source: Rajbhandari et al. 2020, ZeRO, arXiv 1910.02054, section 7.2.2.
        """
        weights = memory_needed(config, "nothing") * (self.processes - 1) / self.processes
        return (2 * fit.accumulate + 1) * weights

    def _work(self, examples: int, tokens: int, positions: int) -> Work:
        return Work(
            examples=examples, tokens=tokens, positions=min(positions, tokens), candidates=self.extent.candidates
        )


def _extent(
    run: "RunConfig", config: "PreTrainedConfig", users: int | None, items: int | None, data: Histories | None
) -> Workload:
    if data is not None:
        if users is not None:
            raise ConfigurationError(f"users are counted in {run.data.source}, which is here; leave --users out")
        return Workload.of_data(run, config, data)
    if users is None or items is None:
        raise SourceNotFoundError(
            f"{run.data.source} is not here, so how long the stages take hangs on how many users and items there are: "
            "say so with --users and --vocabulary"
        )
    return Workload.assumed(run, config, users, items)
