"""Shapes of a run's models, derived from the teacher's config, and a check that training them fits into memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts import Selection
from shortstack.models.memory_needs import Learning, memory_needed, require_memory
from shortstack.planning.plan import plan
from shortstack.planning.schedule import Round, rounds_of
from shortstack.selection.selector import selector_for
from shortstack.teachers.items import items_in_words, what_learns

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from shortstack.config.run import RunConfig
    from shortstack.config.training import FitSettings
    from shortstack.registry import Registry


@attrs.frozen(kw_only=True)
class DistillationRound:
    """One step of a run, with the depths of its models.

    Attributes:
        round: The round.
        before: Number of layers of the model that is pruned.
        kept: Number of layers of the student.
        taught_by: Number of layers of the model that the student is distilled from.
    """

    round: Round
    before: int
    kept: int
    taught_by: int


@attrs.frozen(kw_only=True, eq=False)
class ModelShapes:
    """The configs of a run's models, at any depth.

    Attributes:
        run: The run.
        config: Its teacher's config, with all items.
        registry: The plugins, its student architecture among them.
    """

    run: "RunConfig"
    config: "PreTrainedConfig"
    registry: "Registry"

    @property
    def layers(self) -> int:
        """Number of the teacher's layers."""
        depth: int = self.config.get_text_config().num_hidden_layers
        return depth

    def of_teacher(self, layers: int) -> "PreTrainedConfig":
        """Return the teacher's config with ``layers`` layers."""
        return self._cut("layer-subset", {}, layers)

    def of_student(self, layers: int) -> "PreTrainedConfig":
        """Return the config that the run's architecture makes of the teacher's, with ``layers`` layers."""
        return self._cut(self.run.student.architecture, self.run.student.settings, layers)

    def teaching(self, step: DistillationRound) -> Callable[[int], "PreTrainedConfig"]:
        """Return ``of_teacher`` or ``of_student``, whichever gives the model that a step's student is distilled from."""
        return self.of_teacher if self._first_teaches(step.round) else self.of_student

    def learning(self, fit: "FitSettings | None") -> Learning:
        """Return which parameters a fit trains."""
        return what_learns(fit, items_in_words(self.run))

    def steps(self, *, measured: int | None = None) -> Iterator[DistillationRound]:
        """Yield the run's steps with their depths; for a budget other than of layers, evenly spaced layers are counted.

        Args:
            measured: Number of layers that a budget of milliseconds is assumed to keep.

        Raises:
            ConfigurationError: The budget is of milliseconds, and ``measured`` is None.
        """
        before = self.layers
        for round_ in rounds_of(self.run.selection):
            kept = self._kept(round_, measured)
            taught_by = self.layers if self._first_teaches(round_) else before
            yield DistillationRound(round=round_, before=before, kept=kept, taught_by=taught_by)
            before = kept

    def require_memory(self, device: "torch.device", processes: int = 1) -> None:
        """Raise if the teacher, or a student beside the model that it is distilled from, does not fit into memory.

        Args:
            device: The device.
            processes: Number of processes, each with such a device, that divide the models among them.

        Raises:
            ConfigurationError: One does not; names it, and the bytes that it needs.
        """
        needed = memory_needed(self.config, self.learning(self.run.teacher_fit)) // processes
        require_memory(needed, device, *self._teaching())
        learning = self.learning(self.run.distillation.fit)
        # a budget of milliseconds may keep as few as one layer; assuming more would refuse runs that fit
        for round_ in self.steps(measured=1):
            teacher = self.teaching(round_)(round_.taught_by)
            needed = memory_needed(self.of_student(round_.kept), learning) + memory_needed(teacher, "nothing")
            what = f"distilling {round_.taught_by} layers into {round_.kept}"
            adapters = ", or set distillation.fit.lora" if learning == "all" and processes == 1 else ""
            require_memory(needed // processes, device, what, f"keep fewer layers{adapters}")

    def _teaching(self) -> tuple[str, str]:
        """Return what is done with the teacher, and the advice if it is too large for that."""
        settings = self.run.teacher
        if self.run.teacher_fit is None:
            return "loading the teacher", "use a smaller teacher"
        if settings.path is None:
            return "training the teacher", "make teacher.config smaller"
        adapters = "" if settings.fit is not None and settings.fit.lora else ", teacher.fit.lora"
        return "training the teacher", f"use a smaller teacher{adapters}, or leave teacher.fit out"

    def _first_teaches(self, round_: Round) -> bool:
        return round_.before is None or self.run.distillation.taught_by == "teacher"

    def _cut(self, architecture: str, settings: Mapping[str, Any], layers: int) -> "PreTrainedConfig":
        made: PreTrainedConfig = self.registry.build("student", architecture, settings).shrink(
            self.config, Selection(kept=range(layers), of=self.layers)
        )
        return made

    def _kept(self, round_: Round, measured: int | None) -> int:
        budget = selector_for(round_.settings(self.run.selection)).budget
        if budget.measure is None:
            return budget.layers(of=self.layers)
        if budget.measure == "latency_ms" and measured is not None:
            return measured
        architecture = self.registry.build("student", self.run.student.architecture, self.run.student.settings)
        return len(plan(self.config, [budget], architecture)[1].kept)
