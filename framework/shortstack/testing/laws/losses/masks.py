"""Padding and unsupervised tokens have no part in a loss."""

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.losses.measuring import ON_STATES, Answer, answer, of_both, require_same
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject

_FAR = 100.0


@law("loss", 45, when=ON_STATES, inputs=loss_inputs(rows=(2, 4)))
def masked_states(subject: Subject, *, inputs: LossInputs) -> None:
    """What the models give at padding changes neither sum nor gradients, and has a gradient of exactly 0."""
    given = inputs.build()
    mask = given.batch.mask[..., None]

    def disturbed(outputs: ModelOutputs) -> ModelOutputs:
        states = outputs.states or {}
        return attrs.evolve(outputs, states={layer: torch.where(mask, s, _FAR - 3 * s) for layer, s in states.items()})

    actual = answer(subject, inputs, of_both(given, disturbed))
    for name, gradient in actual.gradients.items():
        if name.startswith("states"):
            require(not gradient[~given.batch.mask].any(), f"padding has a gradient in the {name}")
    require_same(subject, given, actual, answer(subject, inputs), "with other states at padding")


@law("loss", 45, inputs=loss_inputs(), columns=st.integers(1, 3), rows=st.integers(0, 2), right=st.booleans())
def more_padding(subject: Subject, *, inputs: LossInputs, columns: int, rows: int, right: bool) -> None:
    """More columns and rows of padding change neither sum, nor count, nor gradients."""
    given = inputs.build()
    width = given.batch.mask.shape[1]
    before, after = (0, columns) if right else (columns, 0)

    def padded(outputs: ModelOutputs) -> ModelOutputs:
        states = (outputs.states or {}).items()
        return attrs.evolve(outputs, states={i: F.pad(s, (0, 0, before, after, 0, rows), value=1.5) for i, s in states})

    mask = F.pad(given.batch.mask, (before, after, 0, rows), value=False)
    wider = attrs.evolve(of_both(given, padded), batch=attrs.evolve(given.batch, mask=mask))
    actual = answer(subject, inputs, wider)

    def cut(name: str, gradient: Tensor) -> Tensor:
        is_states = name.startswith("states")
        return gradient[: len(inputs.lengths), before : before + width] if is_states else gradient

    cropped = {name: cut(name, gradient) for name, gradient in actual.gradients.items()}
    require_same(subject, given, attrs.evolve(actual, gradients=cropped), answer(subject, inputs), "with more padding")


@law("loss", 45, examples=10, inputs=loss_inputs())
def padding_alone(subject: Subject, *, inputs: LossInputs) -> None:
    """A batch of padding alone has sum 0, count 0, and gradients of 0, never NaN."""
    found = answer(subject, attrs.evolve(inputs, lengths=(0,) * len(inputs.lengths)))
    require(int(found.count) == 0, f"{int(found.count)} terms in a batch of padding alone")
    _require_nothing(found)


@law("loss", 45, examples=10, inputs=loss_inputs())
def nothing_supervised(subject: Subject, *, inputs: LossInputs) -> None:
    """A batch without labels has a finite sum, and sum and gradients of 0 if it counts no term there, never NaN."""
    found = answer(subject, attrs.evolve(inputs, supervised="nothing"))
    require(bool(found.value.isfinite()), f"the sum is {float(found.value)}")
    if not int(found.count):
        _require_nothing(found)


def _require_nothing(found: Answer) -> None:
    require(float(found.value) == 0.0, f"a sum of {float(found.value)} over no term")
    for name, gradient in found.gradients.items():
        require(not gradient.any(), f"a gradient in the {name} of a sum over no term")
