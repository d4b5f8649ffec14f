"""Properties of a divergence: 0 between equals, never negative, invariant to shifts and to the candidates' order."""

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor

from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import law, promises
from shortstack.testing.laws.losses.measuring import (
    ON_LOGITS,
    answer,
    at_temperature,
    logits_of,
    require_same,
    slack,
    tolerance_of,
    with_logits,
)
from shortstack.testing.recipes.loss_inputs import LossInputs, catalogues
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import SHIFTED_TERM

DISTRIBUTION = promises("distribution")


@law("loss", when=DISTRIBUTION, inputs=loss_inputs(apart=(0.0,)))
def equal_models(subject: Subject, *, inputs: LossInputs) -> None:
    """A student that gives the teacher's distribution has a sum and a gradient of 0."""
    _require_nothing(subject, inputs)


@law("loss", when=promises("paired"), inputs=loss_inputs(apart=(0.0,), widths=((4, 4),)))
def equal_layers(subject: Subject, *, inputs: LossInputs) -> None:
    """A student whose layers give the states of the teacher's layers kept in it has a sum and a gradient of 0."""
    _require_nothing(subject, inputs)


@law(
    "loss",
    when=DISTRIBUTION,
    examples=60,
    inputs=loss_inputs(rows=(1, 2), apart=(0.1, 1e-3, 1.0), dtypes=("float64", "float32", "bfloat16")),
)
def never_negative(subject: Subject, *, inputs: LossInputs) -> None:
    """No sum is below 0, but for rounding, however near the two models are."""
    result = answer(subject, inputs)
    least = -int(result.count) * slack(subject, inputs.build(), result.value.dtype)

    require(float(result.value) >= least, f"the sum is {float(result.value)!r}, below {least:.3g}")


@law("loss", when=DISTRIBUTION, inputs=loss_inputs(), student=st.floats(-100, 100), teacher=st.floats(-100, 100))
def shift(subject: Subject, *, inputs: LossInputs, student: float, teacher: float) -> None:
    """A number that is added to all logits of a position, up to ±100 on either side, changes nothing."""
    original = inputs.build()
    steps = torch.linspace(0.5, 1, len(original.batch.labels), dtype=logits_of(original.student).dtype)[:, None]
    moved = attrs.evolve(
        original,
        student=attrs.evolve(original.student, logits=logits_of(original.student) + student * steps),
        teacher=attrs.evolve(original.teacher, logits=logits_of(original.teacher) + teacher * steps),
    )
    expected, actual = answer(subject, inputs), answer(subject, inputs, moved)
    allowed = int(expected.count) * SHIFTED_TERM * slack(subject, original, expected.value.dtype)
    tolerance = attrs.evolve(tolerance_of(expected.value), absolute=allowed)
    assert_close(actual.value, expected.value, tolerance, "the sum for shifted logits")


@law("loss", when=ON_LOGITS, inputs=catalogues())
def candidate_order(subject: Subject, *, inputs: LossInputs) -> None:
    """The order of the candidates does not matter: the sum stays, and each gradient moves with its candidate."""
    original = inputs.build()
    order = torch.randperm(inputs.candidates, generator=torch.Generator().manual_seed(inputs.seed))
    reordered = with_logits(original, lambda logits: logits[:, order])
    reordered = attrs.evolve(
        reordered, batch=attrs.evolve(original.batch, labels=order.argsort()[original.batch.labels])
    )
    actual = answer(subject, inputs, reordered)
    back = {**actual.gradients, "logits": actual.gradients["logits"][:, order.argsort()]}

    require_same(
        subject,
        original,
        attrs.evolve(actual, gradients=back),
        answer(subject, inputs),
        "with the candidates in another order",
    )


@law("loss", when=promises("forward_kl"), inputs=loss_inputs(candidates=(3, 9)))
def merged_candidates(subject: Subject, *, inputs: LossInputs) -> None:
    """Merging two candidates never increases a divergence (the data processing inequality), at T = 1."""
    plain, original = at_temperature(subject, 1.0), inputs.build()

    def merged(logits: Tensor) -> Tensor:
        return torch.cat([logits[:, :2].logsumexp(-1, keepdim=True), logits[:, 2:]], dim=-1)

    coarse = with_logits(original, merged)
    # candidates 0 and 1 became candidate 0, so all labels move down by one
    coarse = attrs.evolve(coarse, batch=attrs.evolve(original.batch, labels=(original.batch.labels - 1).clamp_min(0)))
    fine, less = answer(plain, inputs).value, answer(plain, inputs, coarse).value
    allowed = len(original.batch.labels) * slack(plain, original, fine.dtype)
    require(
        float(less) <= float(fine) + allowed, f"{float(less)!r} with two candidates merged, {float(fine)!r} without"
    )


def _require_nothing(subject: Subject, inputs: LossInputs) -> None:
    """Raise unless the sum and all gradients are 0, up to rounding.

    Gradients of states are multiplied by the state's norm, since their rounding grows as the state gets shorter.
    """
    result, original = answer(subject, inputs), inputs.build()
    a_term = slack(subject, original, result.value.dtype)
    allowed = int(result.count) * a_term
    require(abs(float(result.value)) <= allowed, f"the sum is {float(result.value)!r}; tolerated {allowed:.3g}")
    for layer, state in (original.student.states or {}).items():
        _require_small(result.gradients[f"states of layer {layer}"] * state.norm(dim=-1, keepdim=True), a_term)
    _require_small(result.gradients["logits"], a_term)


def _require_small(gradient: Tensor, allowed: float) -> None:
    largest = float(gradient.abs().max()) if gradient.numel() else 0.0
    require(largest <= allowed, f"the gradient is up to {largest!r}; tolerated {allowed:.3g}")
