"""Training of one decoder layer to give the states that other layers would, on calibration batches."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import torch

from shortstack_students.stream import Gap, recorded

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

Call = tuple[tuple[Any, ...], dict[str, Any]]


@attrs.frozen(kw_only=True, eq=False)
class Lesson:
    """Calibration batch as one layer sees it, and the states that should leave the layer.

    Attributes:
        arguments: Positional and named arguments that the layer is called with, float32.
        unmasked: The tokens that count, bool ``(batch, tokens)``.
        target: What should leave it there, float32 ``(unmasked tokens, width)``.
    """

    arguments: Call
    unmasked: "Tensor"
    target: "Tensor"

    def error(self, layer: "nn.Module") -> "Tensor":
        """Return the mean squared error of the layer's outputs."""
        from shortstack.models import leaving

        positional, named = self.arguments
        states = leaving(layer(*positional, **named))
        return (states.view(*self.unmasked.shape, -1)[self.unmasked] - self.target).square().mean()


def lessons(
    teacher: "PreTrainedModel", student: "PreTrainedModel", gap: Gap, batches: "Sequence[Mapping[str, Tensor]]"
) -> list[Lesson]:
    """Return what each batch with an unmasked token teaches the student's layer before a gap."""
    from shortstack.models import Decoder

    layer = Decoder.of(student).layers[gap.place - 1]
    targets = recorded(teacher, batches, {"out": (Decoder.of(teacher).layers[gap.last], "out")})
    return [
        Lesson(
            arguments=_call_of(student, layer, batch),
            unmasked=batch["attention_mask"].to(student.device).bool(),
            target=target["out"].float(),
        )
        for batch, target in zip(batches, targets, strict=True)
        if len(target["out"])
    ]


def _call_of(student: "PreTrainedModel", layer: "nn.Module", batch: "Mapping[str, Tensor]") -> Call:
    """Return the arguments with which the student calls a layer, in float32."""
    from shortstack.models import model_inputs

    calls: list[Call] = []
    handle = layer.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    try:
        student(**model_inputs(student, *(batch[name].to(student.device) for name in ("input_ids", "attention_mask"))))
    finally:
        handle.remove()
    args, kwargs = calls[0]
    return _in_float32(args), _in_float32(kwargs)


def _in_float32(value: Any) -> Any:
    """Return arguments whose tensors of numbers are float32."""
    if isinstance(value, torch.Tensor):
        return value.float() if value.is_floating_point() else value
    if type(value) in {tuple, list}:
        return type(value)(map(_in_float32, value))
    return {name: _in_float32(part) for name, part in value.items()} if type(value) is dict else value


def train(layer: "nn.Module", taught: Sequence[Lesson], *, steps: int, rate: float) -> bool:
    """Train a layer in place, in float32; return False, and leave it as it was, if it has learnt nothing.

    Args:
        layer: A decoder layer.
        taught: What each batch teaches it.
        steps: Number of optimiser steps.
        rate: The first learning rate, which falls to 0 along a cosine.
    """
    learner = copy.deepcopy(layer).float().requires_grad_(True)
    before = _mean_error(learner, taught)
    with torch.enable_grad():
        _fit(learner, [lesson.error for lesson in taught], steps, rate)
    if not _mean_error(learner, taught) < before:
        return False
    layer.load_state_dict(learner.state_dict())
    return True


def _fit(learner: "nn.Module", errors: "Sequence[Callable[[nn.Module], Tensor]]", steps: int, rate: float) -> None:
    optimiser = torch.optim.AdamW(learner.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        optimiser.zero_grad()
        errors[step % len(errors)](learner).backward()
        optimiser.step()
        schedule.step()


def _mean_error(layer: "nn.Module", taught: Sequence[Lesson]) -> float:
    """Return the mean squared error over all batches."""
    tokens = [len(lesson.target) for lesson in taught]
    with torch.no_grad():
        errors = [float(lesson.error(layer)) for lesson in taught]
    return sum(error * count for error, count in zip(errors, tokens, strict=True)) / sum(tokens)
