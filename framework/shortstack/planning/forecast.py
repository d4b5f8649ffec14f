"""Estimates of each stage's time and memory, before any weight is loaded."""

import copy
from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.models.decoder import most_positions
from shortstack.models.memory_needs import memory_needed
from shortstack.planning.model_shapes import DistillationRound, ModelShapes
from shortstack.planning.plan import Forecast
from shortstack.planning.speed import Assumed, Cut, How, Measured, Speed, Taken, Work
from shortstack.planning.workload import Histories, Workload
from shortstack.tasks import task_of
from shortstack.teachers.items import items_in_words, require_positions

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from shortstack.config.run import RunConfig
    from shortstack.config.training import FitSettings
    from shortstack.registry import Registry

__all__ = ["Forecast", "forecast"]

CASES_AT_ONCE = 256
"""Batch size of the evaluation, in histories."""


def forecast(
    run: "RunConfig",
    config: "PreTrainedConfig",
    *,
    registry: "Registry",
    users: int | None = None,
    items: int | None = None,
    tflops: float | None = None,
    data: Histories | None = None,
) -> list[Forecast]:
    """Estimate every stage that runs a model; see ``Run.forecast``. Data that are given as ``data`` are not read again."""
    from shortstack.models.devices import device_named

    if data is not None:
        if users is not None:
            raise ConfigurationError(f"users are counted in {run.data.source}, which is here; leave --users out")
        extent = Workload.of_data(run, config, data)
    elif users is None or items is None:
        raise SourceNotFoundError(
            f"{run.data.source} is not here, so how long the stages take hangs on how many users and items there are: "
            "say so with --users and --vocabulary"
        )
    else:
        extent = Workload.assumed(run, config, users, items)
    positions = most_positions(config.get_text_config())
    require_positions(positions, extent.widest, task_of(run.task).window, in_words=items_in_words(run))
    device = device_named(run.device)
    speed = Measured(device=device) if tflops is None else Assumed(tflops=tflops)
    whole = copy.deepcopy(config)
    whole.get_text_config().vocab_size = extent.vocabulary
    shapes = ModelShapes(run=run, config=whole, registry=registry)
    forecaster = _Forecaster(
        run=run, shapes=shapes, extent=extent, speed=speed, device=device if tflops is None else None
    )
    return list(forecaster.stages())


@attrs.frozen(kw_only=True, eq=False)
class _Forecaster:
    run: "RunConfig"
    shapes: ModelShapes
    extent: Workload
    speed: Speed
    device: "torch.device | None"

    def stages(self) -> Iterator[Forecast]:
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
        # once more, for the last step's pruned model and its student have the same depth
        yield self._evaluation([*sizes, sizes[-1]])

    def _training(
        self, stage: str, fit: "FitSettings", cut: Cut, layers: int, taught: DistillationRound | None = None
    ) -> Forecast:
        """Estimate a training: steps, validations, and forward passes of the teacher, if there is one."""
        width, how = self.extent.width(fit), self._how(fit)
        work = self._work(fit.batch_size // fit.accumulate, width, ceil(self.extent.supervised))
        taken = self.speed.of(cut, layers, work, how)
        seconds = fit.accumulate * taken.seconds + taken.optimiser
        memory = memory_needed(cut(layers), how.learning) + self._at_most(taken, width)
        if taught is not None:
            teacher, reading = self.shapes.teaching(taught), How(bfloat16=how.bfloat16)
            seconds += fit.accumulate * self.speed.of(teacher, taught.taught_by, work, reading).seconds
            memory += memory_needed(teacher(taught.taught_by), "nothing")
        checks = ceil(fit.steps / fit.evaluate_every)
        checking = self._asked(cut, layers, self.extent.cases[0])
        return Forecast(stage=stage, seconds=fit.steps * seconds + checks * checking, memory_bytes=memory)

    def _how(self, fit: "FitSettings") -> How:
        """Return how a training computes; on a machine that is not this one, in bfloat16 unless that is ruled out."""
        from shortstack.distillation.fitting import in_bfloat16

        in_half = fit.precision != "float32" if self.device is None else in_bfloat16(fit.precision, self.device)
        return How(learning=self.shapes.learning(fit), bfloat16=in_half, recomputed=fit.gradient_checkpointing)

    def _sweep(self, found: DistillationRound) -> Forecast:
        """Estimate one pass over the calibration examples.

        It takes about as long as one of training: the scorers' work costs what the gradients of the weights would.
        """
        round_, layers, settings = found.round, found.before, self.run.importance
        cut = self.shapes.of_teacher if round_.before is None else self.shapes.of_student
        width = int(self.extent.lengths.mean())
        taken = self.speed.of(cut, layers, self._work(settings.batch_size, width, 1), How(learning="all"))
        batches = ceil(settings.examples / settings.batch_size)
        memory = memory_needed(cut(layers), "nothing") + self._at_most(taken, width)
        return Forecast(stage=round_.importance, seconds=batches * taken.seconds, memory_bytes=memory)

    def _at_most(self, taken: Taken, width: int) -> float:
        """Return the bytes of activations of the widest batch, in proportion to those of one ``width`` tokens wide."""
        return taken.activations * self.extent.widest / width

    def _evaluation(self, sizes: list[int]) -> Forecast:
        """Estimate the evaluation: every model on every test case."""
        teacher, *others = sizes
        seconds = self._asked(self.shapes.of_teacher, teacher, self.extent.cases[1])
        for layers in set(others):
            seconds += others.count(layers) * self._asked(self.shapes.of_student, layers, self.extent.cases[1])
        memory = memory_needed(self.shapes.of_teacher(teacher), "nothing")
        return Forecast(stage="evaluation", seconds=seconds, memory_bytes=memory)

    def _asked(self, cut: Cut, layers: int, cases: int) -> float:
        """Return the seconds that a model takes for some cases."""
        at_once = min(cases, CASES_AT_ONCE)
        work = self._work(at_once, self.extent.case_tokens, 1)
        return cases / at_once * self.speed.of(cut, layers, work, How()).seconds

    def _work(self, examples: int, tokens: int, positions: int) -> Work:
        return Work(
            examples=examples, tokens=tokens, positions=min(positions, tokens), candidates=self.extent.candidates
        )
