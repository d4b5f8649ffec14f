"""What a divergence is: 0 between equals, never negative, blind to shifts and to the order of the candidates."""

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
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.strategies.loss_inputs import catalogues
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import SHIFTED_TERM

DISTRIBUTION = promises("distribution")


@law("loss", 38, when=DISTRIBUTION, inputs=loss_inputs(apart=(0.0,)))
def equal_models(subject: Subject, *, inputs: LossInputs) -> None:
    """A student that gives the teacher's distribution costs nothing and has nothing to learn: sum and gradient are 0."""
    _require_nothing(subject, inputs)


@law("loss", 38, when=promises("paired"), inputs=loss_inputs(apart=(0.0,), widths=((4, 4),)))
def equal_layers(subject: Subject, *, inputs: LossInputs) -> None:
    """A student whose layers give what the layers give that they were made from costs nothing: sum and gradient are 0."""
    _require_nothing(subject, inputs)


@law(
    "loss",
    39,
    when=DISTRIBUTION,
    examples=60,
    inputs=loss_inputs(rows=(1, 2), apart=(0.1, 1e-3, 1.0), dtypes=("float64", "float32", "bfloat16")),
)
def never_negative(subject: Subject, *, inputs: LossInputs) -> None:
    """No sum is below 0, but for rounding, however near the two models are."""
    found = answer(subject, inputs)
    least = -int(found.count) * slack(subject, inputs.build(), found.value.dtype)

    require(float(found.value) >= least, f"the sum is {float(found.value)!r}, below {least:.3g}")


@law("loss", 41, when=DISTRIBUTION, inputs=loss_inputs(), student=st.floats(-100, 100), teacher=st.floats(-100, 100))
def shift(subject: Subject, *, inputs: LossInputs, student: float, teacher: float) -> None:
    """A number that is added to all logits of a position, up to ±100 on either side, changes nothing."""
    given = inputs.build()
    steps = torch.linspace(0.5, 1, len(given.batch.labels), dtype=logits_of(given.student).dtype)[:, None]
    moved = attrs.evolve(
        given,
        student=attrs.evolve(given.student, logits=logits_of(given.student) + student * steps),
        teacher=attrs.evolve(given.teacher, logits=logits_of(given.teacher) + teacher * steps),
    )
    expected, actual = answer(subject, inputs), answer(subject, inputs, moved)
    allowed = int(expected.count) * SHIFTED_TERM * slack(subject, given, expected.value.dtype)
    tolerance = attrs.evolve(tolerance_of(expected.value), absolute=allowed)
    assert_close(actual.value, expected.value, tolerance, "the sum for shifted logits")


@law("loss", 41, when=ON_LOGITS, inputs=catalogues())
def candidate_order(subject: Subject, *, inputs: LossInputs) -> None:
    """The order of the candidates is nothing but a way to write them down: sum and gradients stay, each with its own."""
    given = inputs.build()
    order = torch.randperm(inputs.candidates, generator=torch.Generator().manual_seed(inputs.seed))
    reordered = with_logits(given, lambda logits: logits[:, order])
    reordered = attrs.evolve(reordered, batch=attrs.evolve(given.batch, labels=order.argsort()[given.batch.labels]))
    actual = answer(subject, inputs, reordered)
    back = {**actual.gradients, "logits": actual.gradients["logits"][:, order.argsort()]}

    require_same(
        subject,
        given,
        attrs.evolve(actual, gradients=back),
        answer(subject, inputs),
        "with the candidates in another order",
    )


@law("loss", 49, when=promises("forward_kl"), inputs=loss_inputs(candidates=(3, 9)))
def merged_candidates(subject: Subject, *, inputs: LossInputs) -> None:
    """Candidates that are told apart no longer never add to a divergence (the data processing inequality), at T = 1."""
    plain, given = at_temperature(subject, 1.0), inputs.build()

    def merged(logits: Tensor) -> Tensor:
        return torch.cat([logits[:, :2].logsumexp(-1, keepdim=True), logits[:, 2:]], dim=-1)

    coarse = with_logits(given, merged)
    coarse = attrs.evolve(coarse, batch=attrs.evolve(given.batch, labels=(given.batch.labels - 1).clamp_min(0)))
    fine, less = answer(plain, inputs).value, answer(plain, inputs, coarse).value
    allowed = len(given.batch.labels) * slack(plain, given, fine.dtype)
    require(
        float(less) <= float(fine) + allowed, f"{float(less)!r} with two candidates merged, {float(fine)!r} without"
    )


def _require_nothing(subject: Subject, inputs: LossInputs) -> None:
    """The sum and all gradients are 0, but for rounding; that of a state grows as the state gets shorter."""
    found, given = answer(subject, inputs), inputs.build()
    a_term = slack(subject, given, found.value.dtype)
    allowed = int(found.count) * a_term
    require(abs(float(found.value)) <= allowed, f"the sum is {float(found.value)!r}; tolerated {allowed:.3g}")
    for layer, state in (given.student.states or {}).items():
        _require_small(found.gradients[f"states of layer {layer}"] * state.norm(dim=-1, keepdim=True), a_term)
    _require_small(found.gradients["logits"], a_term)


def _require_small(gradient: Tensor, allowed: float) -> None:
    largest = float(gradient.abs().max()) if gradient.numel() else 0.0
    require(largest <= allowed, f"the gradient is up to {largest!r}; tolerated {allowed:.3g}")
