"""A loss in an actual training: micro-batches, resuming, and its own parameters."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import TrainerCallback

from shortstack.errors import EmptyDataError
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.losses.measuring import ready
from shortstack.testing.recipes.lessons import Lesson
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.recipes.models import VOCABULARY
from shortstack.testing.strategies import lessons
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import SINGLE

if TYPE_CHECKING:
    from shortstack.distillation.trainer import DistillationTrainer


def _learns(subject: Subject) -> bool:
    """Return True if the loss prepares parameters for a student that is narrower than its teacher."""
    try:
        module = ready(subject, LossInputs(widths=(4, 6))).module
    except Exception:  # noqa: BLE001 -- a loss that breaks here breaks laws that bind all losses
        return False
    return module is not None and any(parameter.requires_grad for parameter in module.parameters())


LEARNS = Condition(words="it prepares parameters for a student narrower than its teacher", holds=_learns)


@law("loss", when=promises("additive"), examples=1, lesson=lessons())
def micro_batches(subject: Subject, *, lesson: Lesson) -> None:
    """A batch split into micro-batches gives the gradients of the whole batch, in training."""
    whole, cut = (_one_step(subject, lesson, accumulate) for accumulate in (1, 4))

    require(whole.keys() == cut.keys(), f"gradients of {sorted(whole.keys() ^ cut.keys())} in one of the two only")
    for name, gradient in whole.items():
        assert_close(cut[name], gradient, SINGLE, f"the gradient of {name} over four micro-batches")


@law("loss", examples=1, lesson=lessons())
def resuming(subject: Subject, *, lesson: Lesson) -> None:
    """A training that is killed after two of four steps and resumed ends with the same weights, bit for bit."""
    with TemporaryDirectory() as here:
        whole = _fitted(_trainer(subject, lesson, Path(here) / "whole", steps=4))
        parts = Path(here) / "parts"
        _fitted(_trainer(subject, lesson, parts, steps=4, callbacks=[_Killer(after=2)]))
        resumed = _fitted(_trainer(subject, lesson, parts, steps=4))

    apart = [name for name, weight in whole.items() if not torch.equal(weight, resumed[name])]
    require(not apart, f"after resuming, other weights in {', '.join(apart)}")


@law("loss", when=LEARNS, examples=1, lesson=lessons(widths=(8,)))
def own_parameters(subject: Subject, *, lesson: Lesson) -> None:
    """A loss's own parameters are all trained beside the student, and not exported with it."""
    with TemporaryDirectory() as here:
        trainer = _trainer(subject, lesson, Path(here) / "run", steps=2)
        learning = {name: p for name, p in trainer.model.loss_modules.named_parameters() if p.requires_grad}
        before = {name: parameter.detach().clone() for name, parameter in learning.items()}
        _fitted(trainer)
        exported = _tensors(Path(here) / "run" / "checkpoint-2")

    idle = [name for name, parameter in learning.items() if torch.equal(parameter, before[name])]
    require(not idle, f"not trained: {', '.join(idle)}")
    strange = sorted(exported ^ lesson.student().state_dict().keys())
    require(not strange, f"exported with the student, or missing from it: {', '.join(strange)}")


class _KilledError(Exception):
    """Raised to simulate a killed process."""


class _Killer(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Callback that ends a training once a checkpoint is complete."""

    def __init__(self, *, after: int) -> None:
        self._after = after

    def on_save(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ARG002
        """Raise at the chosen step."""
        if state.global_step == self._after:
            raise _KilledError


class _Watch(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Callback that keeps the gradients of a step."""

    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **_: object) -> None:  # noqa: ARG002
        """Keep copies of the gradients."""
        self.gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _one_step(subject: Subject, lesson: Lesson, accumulate: int) -> dict[str, Tensor]:
    """Return the gradients of one step over all examples."""
    watch = _Watch()
    with TemporaryDirectory() as here:
        _fitted(_trainer(subject, lesson, Path(here), steps=1, accumulate=accumulate, callbacks=[watch]))
    return watch.gradients


def _trainer(
    subject: Subject,
    lesson: Lesson,
    folder: Path,
    *,
    steps: int,
    accumulate: int = 1,
    callbacks: Sequence[TrainerCallback] = (),
) -> "DistillationTrainer":
    """Return a trainer on this loss alone, as a run makes it, with a fresh student and a fresh loss."""
    from shortstack.config.training import FitSettings
    from shortstack.distillation.trainer import DistillationTrainer
    from shortstack.distillation.training_arguments import training_arguments
    from shortstack.distillation.weighted_losses import WeightedLoss

    batch = len(lesson.lengths) if steps == 1 else len(lesson.lengths) // 2
    settings = FitSettings(
        steps=steps, batch_size=batch, accumulate=accumulate, warmup_steps=0, evaluate_every=2, max_grad_norm=0.0
    )
    return DistillationTrainer(
        lesson.student(),
        training_arguments(folder, settings, seed=lesson.seed, device="cpu", validated=False),
        lesson.examples(),
        losses=[WeightedLoss(name=subject.name, loss=subject.build())],
        teacher=lesson.teacher(),
        balancing="fixed",
        candidates=torch.arange(1, VOCABULARY),
        selection=lesson.selection(),
        callbacks=callbacks,
    )


def _fitted(trainer: "DistillationTrainer") -> dict[str, Tensor]:
    """Return all weights, the loss's own included, after training to the end or to the kill."""
    from shortstack.distillation.fitting import fit

    try:
        with _survived():
            fit(trainer)
    except EmptyDataError as error:
        raise AssertionError(f"in a training on labelled examples: {error}") from error
    weights: dict[str, Tensor] = trainer.model.state_dict()
    return weights


def _tensors(folder: Path) -> set[str]:
    """Return the names of a saved model's tensors."""
    names: set[str] = set()
    for path in folder.glob("model*.safetensors"):
        with safe_open(path, "pt") as file:
            names.update(file.keys())
    return names


@contextmanager
def _survived() -> Iterator[None]:
    try:
        yield
    except _KilledError:
        return
