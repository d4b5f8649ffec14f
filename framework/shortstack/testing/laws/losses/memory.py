"""Losses keep nothing of another teacher or another loss, and do not depend on the machine."""

from collections.abc import Iterator

import attrs
import torch
from torch import Tensor, nn

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import require
from shortstack.testing.elsewhere import elsewhere
from shortstack.testing.law import law
from shortstack.testing.laws.losses.form import require_equal
from shortstack.testing.laws.losses.measuring import OF_TEACHER, Ready, answer, parts_of, ready
from shortstack.testing.laws.losses.training import LEARNS
from shortstack.testing.recipes.loss_inputs import Given, LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject

ANOTHER = 1000
"""Added to a seed to get one that is never drawn."""


@law("loss", when=OF_TEACHER, inputs=loss_inputs(rows=(3, 4), tokens=(3, 4), candidates=(5, 9), scales=(1.0,)))
def another_teacher(subject: Subject, *, inputs: LossInputs) -> None:
    """Another teacher gives another sum, equal to a fresh loss's, even if its outputs reuse the first one's memory."""
    inputs = attrs.evolve(inputs, supervised="every")
    prepared, original = ready(subject, inputs), inputs.build()
    other = attrs.evolve(inputs, seed=inputs.seed + ANOTHER).build().teacher
    first = _value(prepared, original)
    for ours, theirs in zip(_tensors(original.teacher), _tensors(other), strict=True):
        ours.copy_(theirs)
    second, fresh = (
        _value(prepared, original),
        _value(ready(subject, inputs), attrs.evolve(inputs.build(), teacher=other)),
    )

    require(not torch.equal(first, second), f"two teachers have the same sum, {float(first)!r}")
    require(torch.equal(second, fresh), f"{float(second)!r} after another teacher, and {float(fresh)!r} otherwise")


@law("loss", when=LEARNS, examples=5, inputs=loss_inputs(widths=((4, 6),)))
def prepared_afresh(subject: Subject, *, inputs: LossInputs) -> None:
    """Two losses that are prepared for the same models share no parameter: training one leaves the other."""
    both = [ready(subject, inputs).module for _ in range(2)]  # keep both alive: freed memory may be reused
    first, second = map(_memory, both)
    again = ready(subject, inputs)
    twice = _memory(again.loss.prepare(inputs.teacher_config(), inputs.student_config(), inputs.selection()))

    require(
        not first.keys() & second.keys(),
        f"two losses share {', '.join(first[place] for place in first if place in second)}",
    )
    once = _memory(again.module)
    require(
        not once.keys() & twice.keys(),
        f"prepared twice, a loss has the same {', '.join(once[place] for place in once if place in twice)}",
    )


@law("loss", inputs=loss_inputs(widths=((4, 6), (4, 4))))
def another_machine(subject: Subject, *, inputs: LossInputs) -> None:
    """Sum and gradients are the same, bit for bit, under another hash salt, time zone, locale and working directory."""
    here = answer(subject, inputs)
    with elsewhere():
        there = answer(subject, inputs)
    require_equal(there, here, "elsewhere")


def _value(one: Ready, given: Given) -> Tensor:
    with torch.no_grad():
        return one.loss(given.student, given.teacher, given.batch, one.module)


def _tensors(outputs: ModelOutputs) -> Iterator[Tensor]:
    if outputs.logits is not None:
        yield outputs.logits
    yield from (outputs.states or {}).values()
    for inputs in (outputs.attention or {}).values():
        yield from parts_of(inputs).values()


def _memory(module: nn.Module | None) -> dict[int, str]:
    """Return the names of a module's parameters by memory address."""
    return {} if module is None else {tensor.data_ptr(): name for name, tensor in module.named_parameters()}
