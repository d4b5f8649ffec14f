"""The shapes of a run's models, told from the teacher's config, and whether training them fits into memory."""

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
    """One step of a run.

    Attributes:
        step: Which.
        before: Layers of the model that is made smaller.
        kept: Layers of the student.
        taught_by: Layers of the model that teaches it.
    """

    step: Round
    before: int
    kept: int
    taught_by: int


@attrs.frozen(kw_only=True, eq=False)
class ModelShapes:
    """The configs of a run's models, of any depth.

    Attributes:
        run: The run.
        config: Of its teacher, with all items.
        registry: Where its student architecture is found.
    """

    run: "RunConfig"
    config: "PreTrainedConfig"
    registry: "Registry"

    @property
    def layers(self) -> int:
        """Of the teacher."""
        depth: int = self.config.get_text_config().num_hidden_layers
        return depth

    def of_teacher(self, layers: int) -> "PreTrainedConfig":
        """The teacher's with so many layers."""
        return self._cut("layer-subset", {}, layers)

    def of_student(self, layers: int) -> "PreTrainedConfig":
        """What the run's architecture makes of the teacher's with so many layers."""
        return self._cut(self.run.student.architecture, self.run.student.settings, layers)

    def teaching(self, found: DistillationRound) -> Callable[[int], "PreTrainedConfig"]:
        """Of the kind of model that teaches a step's student: the run's teacher, or an earlier student."""
        return self.of_teacher if self._first_teaches(found.step) else self.of_student

    def learning(self, fit: "FitSettings | None") -> Learning:
        """What a fit trains."""
        return what_learns(fit, items_in_words(self.run))

    def steps(self, *, measured: int | None = None) -> Iterator[DistillationRound]:
        """The run's steps with their depths; where the budget is not of layers, as many as evenly spaced ones would be.

        Args:
            measured: How many layers a budget of milliseconds is taken to keep.

        Raises:
            ConfigurationError: The budget is of milliseconds, and nothing is taken.
        """
        before = self.layers
        for step in rounds_of(self.run.selection):
            kept = self._kept(step, measured)
            taught_by = self.layers if self._first_teaches(step) else before
            yield DistillationRound(step=step, before=before, kept=kept, taught_by=taught_by)
            before = kept

    def require_memory(self, device: "torch.device") -> None:
        """The teacher must fit, and every student beside what teaches it.

        Raises:
            ConfigurationError: One does not; says which, and how much it takes.
        """
        require_memory(memory_needed(self.config, self.learning(self.run.teacher_fit)), device, *self._teaching())
        learning = self.learning(self.run.distillation.fit)
        for found in self.steps(measured=1):
            teacher = self.teaching(found)(found.taught_by)
            needed = memory_needed(self.of_student(found.kept), learning) + memory_needed(teacher, "nothing")
            what = f"distilling {found.taught_by} layers into {found.kept}"
            adapters = ", or set distillation.fit.lora" if learning == "all" else ""
            require_memory(needed, device, what, f"keep fewer layers{adapters}")

    def _teaching(self) -> tuple[str, str]:
        """What becomes of the teacher, and what to do if it is too large for that."""
        settings = self.run.teacher
        if self.run.teacher_fit is None:
            return "loading the teacher", "use a smaller teacher"
        if settings.path is None:
            return "training the teacher", "make teacher.config smaller"
        adapters = "" if settings.fit is not None and settings.fit.lora else ", teacher.fit.lora"
        return "training the teacher", f"use a smaller teacher{adapters}, or leave teacher.fit out"

    def _first_teaches(self, step: Round) -> bool:
        return step.before is None or self.run.distillation.taught_by == "teacher"

    def _cut(self, architecture: str, settings: Mapping[str, Any], layers: int) -> "PreTrainedConfig":
        made: PreTrainedConfig = self.registry.build("student", architecture, settings).shrink(
            self.config, Selection(kept=range(layers), of=self.layers)
        )
        return made

    def _kept(self, step: Round, measured: int | None) -> int:
        budget = selector_for(step.settings(self.run.selection)).budget
        if budget.measure is None:
            return budget.layers(of=self.layers)
        if budget.measure == "latency_ms" and measured is not None:
            return measured
        architecture = self.registry.build("student", self.run.student.architecture, self.run.student.settings)
        return len(plan(self.config, [budget], architecture)[1].kept)
