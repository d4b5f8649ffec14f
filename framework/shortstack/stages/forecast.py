"""What each stage of a run will take, in seconds and in memory, told before any weight is loaded."""

from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.models.decoder import most_positions
from shortstack.models.memory_needs import memory_needed
from shortstack.planning.plan import Forecast, plan
from shortstack.planning.speed import Assumed, How, Measured, Speed, Taken, Work
from shortstack.stages.costs import selector
from shortstack.stages.extent import Extent
from shortstack.stages.pretrained import items_in_words, require_positions, what_learns
from shortstack.stages.scratch import fit_for
from shortstack.stages.steps import Step, steps_of
from shortstack.stages.teacher import fit_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from shortstack.distillation.fitting import FitSettings
    from shortstack.registry import Registry
    from shortstack.run import Run

__all__ = ["Forecast", "forecast"]

CASES_AT_ONCE = 256
"""How many histories the evaluation puts through a model at once."""


def forecast(
    run: "Run",
    config: "PreTrainedConfig",
    *,
    registry: "Registry",
    users: int | None = None,
    items: int | None = None,
    tflops: float | None = None,
) -> list[Forecast]:
    """Every stage that puts much through a model; see ``Run.forecast``."""
    from shortstack.models.devices import device_named

    if Path(run.data.source).exists() or ":" in run.data.source:
        if users is not None:
            raise ConfigurationError(f"users are counted in {run.data.source}, which is here; leave --users out")
        extent = Extent.of_data(run, config, registry)
    elif users is None or items is None:
        raise SourceNotFoundError(
            f"{run.data.source} is not here, so how long the stages take hangs on how many users and items there are: "
            "say so with --users and --vocabulary"
        )
    else:
        extent = Extent.assumed(run, config, users, items)
    positions = most_positions(config.get_text_config())
    require_positions(positions, extent.widest, run.task.build().window, in_words=items_in_words(run))
    device = device_named(run.device)
    speed = Measured(device=device) if tflops is None else Assumed(tflops=tflops)
    forecaster = _Forecaster(
        run=run, config=config, extent=extent, speed=speed, device=device if tflops is None else None, registry=registry
    )
    return list(forecaster.stages())


@attrs.frozen(kw_only=True, eq=False)
class _Forecaster:
    run: "Run"
    config: "PreTrainedConfig"
    extent: Extent
    speed: Speed
    device: "torch.device | None"
    registry: "Registry"

    def stages(self) -> Iterator[Forecast]:
        run, layers = self.run, self.config.get_text_config().num_hidden_layers
        fit = fit_of(run)
        if fit is not None:
            yield self._training("teacher", fit, layers, shrunk=False)
        left, examples = layers, 0 if fit is None else fit.steps * fit.batch_size
        sizes = [layers]
        for step in steps_of(run.selection):
            yield self._sweep(step, left)
            kept = self._kept(step, layers)
            teacher = layers if run.distillation.taught_by == "teacher" else left
            yield self._training(step.named("distillation"), run.distillation.fit, kept, shrunk=True, taught_by=teacher)
            examples += run.distillation.fit.steps * run.distillation.fit.batch_size
            left = kept
            sizes.append(kept)
        if run.evaluation.scratch:
            yield self._training("scratch", fit_for(run, examples), left, shrunk=True)
            sizes.append(left)
        yield self._evaluation([*sizes, left])

    def _kept(self, step: Step, layers: int) -> int:
        """How many layers stay; by a budget of another measure, as many as evenly spaced ones would."""
        budget = selector(step.settings(self.run.selection)).budget
        if budget.measure is None:
            return budget.layers(of=layers)
        architecture = self.registry.build("student", self.run.student.architecture, self.run.student.settings)
        return len(plan(self.config, [budget], architecture)[1].kept)

    def _cut(self, shrunk: bool) -> "Callable[[int], PreTrainedConfig]":
        """The teacher's config, or that of a student, with so many layers and the grown vocabulary."""
        own = (self.run.student.architecture, self.run.student.settings) if shrunk else ("layer-subset", {})
        architecture, layers = self.registry.build("student", *own), self.config.get_text_config().num_hidden_layers

        def cut(count: int) -> "PreTrainedConfig":
            made: PreTrainedConfig = architecture.shrink(self.config, Selection(kept=range(count), of=layers))
            made.get_text_config().vocab_size = self.extent.vocabulary
            return made

        return cut

    def _training(
        self, stage: str, fit: "FitSettings", layers: int, *, shrunk: bool, taught_by: int | None = None
    ) -> Forecast:
        """Steps and validations; a teacher only reads."""
        cut, width, how = self._cut(shrunk), self.extent.width(fit), self._how(fit)
        work = self._work(fit.batch_size // fit.accumulate, width, ceil(self.extent.supervised))
        taken = self.speed.of(cut, layers, work, how)
        seconds = fit.accumulate * taken.seconds + taken.optimiser
        memory = memory_needed(cut(layers), how.learning) + self._at_most(taken, width)
        if taught_by is not None:
            whole, reading = self._cut(shrunk=False), How(bfloat16=how.bfloat16)
            seconds += fit.accumulate * self.speed.of(whole, taught_by, work, reading).seconds
            memory += memory_needed(whole(taught_by), "nothing")
        checks = ceil(fit.steps / fit.evaluate_every)
        asked = self._asked(cut, layers, self.extent.cases[0])
        return Forecast(stage=stage, seconds=fit.steps * seconds + checks * asked, memory_bytes=memory)

    def _how(self, fit: "FitSettings") -> How:
        """In bfloat16 wherever a machine that is elsewhere may be."""
        from shortstack.distillation.fitting import in_bfloat16

        in_half = fit.precision != "float32" if self.device is None else in_bfloat16(fit.precision, self.device)
        return How(
            learning=what_learns(fit, items_in_words(self.run)), bfloat16=in_half, recomputed=fit.gradient_checkpointing
        )

    def _sweep(self, step: Step, layers: int) -> Forecast:
        """One pass over the calibration examples.

        It takes about what a training's does: what scorers do lasts as long as the gradients that are not formed.
        """
        settings, cut = self.run.importance, self._cut(shrunk=step.before is not None)
        width = int(self.extent.lengths.mean())
        taken = self.speed.of(cut, layers, self._work(settings.batch_size, width, 1), How(learning="all"))
        batches = ceil(settings.examples / settings.batch_size)
        memory = memory_needed(cut(layers), "nothing") + self._at_most(taken, width)
        return Forecast(stage=step.importance, seconds=batches * taken.seconds, memory_bytes=memory)

    def _at_most(self, taken: Taken, width: int) -> float:
        """Bytes of activations of the widest batch, told from those of one that is ``width`` tokens wide."""
        return taken.activations * self.extent.widest / width

    def _evaluation(self, sizes: list[int]) -> Forecast:
        """Every model reads every test case."""
        teacher, *others = sizes
        seconds = self._asked(self._cut(shrunk=False), teacher, self.extent.cases[1])
        for layers in set(others):
            seconds += others.count(layers) * self._asked(self._cut(shrunk=True), layers, self.extent.cases[1])
        memory = memory_needed(self._cut(shrunk=False)(teacher), "nothing")
        return Forecast(stage="evaluation", seconds=seconds, memory_bytes=memory)

    def _asked(self, cut: "Callable[[int], PreTrainedConfig]", layers: int, cases: int) -> float:
        """Seconds that a model takes for some cases."""
        at_once = min(cases, CASES_AT_ONCE)
        work = self._work(at_once, self.extent.asked, 1)
        return cases / at_once * self.speed.of(cut, layers, work, How()).seconds

    def _work(self, examples: int, tokens: int, positions: int) -> Work:
        return Work(
            examples=examples, tokens=tokens, positions=min(positions, tokens), candidates=self.extent.candidates
        )
