"""Extreme inputs: huge logits, excluded candidates, half precision."""

import attrs
import torch
from torch import Tensor

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import law
from shortstack.testing.laws.losses.measuring import (
    ON_LOGITS,
    Answer,
    answer,
    answered,
    everywhere,
    logits_of,
    of_both,
    ready,
    slack,
)
from shortstack.testing.recipes.loss_inputs import Given, LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import HALF, HALF_GIVEN

_HUGE = 1e4


@law("loss", when=ON_LOGITS, inputs=loss_inputs())
def huge_logits(subject: Subject, *, inputs: LossInputs) -> None:
    """Logits of ±10,000 among the others give a finite sum and finite gradients."""
    original, generator = inputs.build(), torch.Generator().manual_seed(inputs.seed)

    def huge(outputs: ModelOutputs) -> ModelOutputs:
        logits = logits_of(outputs)
        which = torch.randint(-1, 2, logits.shape, generator=generator)
        return attrs.evolve(outputs, logits=torch.where(which == 0, logits, which * _HUGE))

    _require_finite(
        answer(subject, inputs, attrs.evolve(original, student=huge(original.student), teacher=huge(original.teacher)))
    )


@law("loss", when=ON_LOGITS, inputs=loss_inputs())
def ruled_out_candidates(subject: Subject, *, inputs: LossInputs) -> None:
    """Candidates at −∞ in both models, never the label, give a finite sum and finite gradients."""
    original = inputs.build()
    generator = torch.Generator().manual_seed(inputs.seed)
    out = torch.rand(logits_of(original.student).shape, generator=generator) < 0.5
    out.scatter_(1, original.batch.labels[:, None], value=False)

    def without(outputs: ModelOutputs) -> ModelOutputs:
        return attrs.evolve(outputs, logits=logits_of(outputs).masked_fill(out, -torch.inf))

    _require_finite(
        answer(
            subject,
            inputs,
            attrs.evolve(original, student=without(original.student), teacher=without(original.teacher)),
        )
    )


@law("loss", inputs=loss_inputs(apart=(0.0,), widths=((4, 4),)))
def finite_at_agreement(subject: Subject, *, inputs: LossInputs) -> None:
    """The sum and its gradients are finite where the student's outputs equal the teacher's."""
    _require_finite(answer(subject, inputs))


@law("loss", inputs=loss_inputs(apart=(1.0, 0.1, 1e-2), widths=((4, 4),), dtypes=("bfloat16",)))
def half_precision(subject: Subject, *, inputs: LossInputs) -> None:
    """The sum of bfloat16 outputs equals that of the same numbers in float32: a loss computes in float32 or wider.

    A loss with parameters of its own, which are in bfloat16 then, is held to a wider tolerance.
    """
    original = inputs.build()
    prepared, wide = ready(subject, inputs), ready(subject, attrs.evolve(inputs, dtype="float32"))
    half, single = answered(prepared, original), answered(wide, _in_float32(original))
    rough = prepared.module is not None and any(True for _ in prepared.module.parameters())
    tolerance = HALF if rough else HALF_GIVEN
    allowed = attrs.evolve(tolerance, absolute=int(single.count) * slack(subject, original, torch.float32))

    require(half.value.dtype != torch.bfloat16, "the sum is in bfloat16")
    assert_close(half.value, single.value, allowed, "the sum of bfloat16 outputs beside that of the same in float32")


def _in_float32(given: Given) -> Given:
    return of_both(given, lambda outputs: everywhere(outputs, Tensor.float))


def _require_finite(answer: Answer) -> None:
    require(bool(answer.value.isfinite()), f"the sum is {float(answer.value)}")
    for name, gradient in answer.gradients.items():
        require(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")
