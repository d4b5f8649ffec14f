"""Padding and unsupervised tokens do not influence a loss."""

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


@law("loss", when=ON_STATES, inputs=loss_inputs(rows=(2, 4)))
def masked_states(subject: Subject, *, inputs: LossInputs) -> None:
    """The models' states at padding change neither sum nor gradients, and their gradient is exactly 0."""
    original = inputs.build()
    mask = original.batch.mask[..., None]

    def disturbed(outputs: ModelOutputs) -> ModelOutputs:
        states = outputs.states or {}
        return attrs.evolve(outputs, states={layer: torch.where(mask, s, _FAR - 3 * s) for layer, s in states.items()})

    actual = answer(subject, inputs, of_both(original, disturbed))
    for name, gradient in actual.gradients.items():
        if name.startswith("states"):
            require(not gradient[~original.batch.mask].any(), f"padding has a gradient in the {name}")
    require_same(subject, original, actual, answer(subject, inputs), "with other states at padding")


@law("loss", inputs=loss_inputs(), columns=st.integers(1, 3), rows=st.integers(0, 2), right=st.booleans())
def more_padding(subject: Subject, *, inputs: LossInputs, columns: int, rows: int, right: bool) -> None:
    """More columns and rows of padding change neither sum, nor count, nor gradients."""
    original = inputs.build()
    width = original.batch.mask.shape[1]
    before, after = (0, columns) if right else (columns, 0)

    def padded(outputs: ModelOutputs) -> ModelOutputs:
        states = (outputs.states or {}).items()
        # padded with 1.5, not 0, so that a loss that reads padding is caught
        return attrs.evolve(outputs, states={i: F.pad(s, (0, 0, before, after, 0, rows), value=1.5) for i, s in states})

    mask = F.pad(original.batch.mask, (before, after, 0, rows), value=False)
    wider = attrs.evolve(of_both(original, padded), batch=attrs.evolve(original.batch, mask=mask))
    actual = answer(subject, inputs, wider)

    def cut(name: str, gradient: Tensor) -> Tensor:
        is_states = name.startswith("states")
        return gradient[: len(inputs.lengths), before : before + width] if is_states else gradient

    cropped = {name: cut(name, gradient) for name, gradient in actual.gradients.items()}
    require_same(
        subject, original, attrs.evolve(actual, gradients=cropped), answer(subject, inputs), "with more padding"
    )


@law("loss", examples=10, inputs=loss_inputs())
def padding_alone(subject: Subject, *, inputs: LossInputs) -> None:
    """A batch of padding alone has sum 0, count 0, and gradients of 0, never NaN."""
    result = answer(subject, attrs.evolve(inputs, lengths=(0,) * len(inputs.lengths)))
    require(int(result.count) == 0, f"{int(result.count)} terms in a batch of padding alone")
    _require_nothing(result)


@law("loss", examples=10, inputs=loss_inputs())
def nothing_supervised(subject: Subject, *, inputs: LossInputs) -> None:
    """A batch without labels has a finite sum, and sum and gradients of 0 if it counts no term there, never NaN."""
    result = answer(subject, attrs.evolve(inputs, supervised="nothing"))
    require(bool(result.value.isfinite()), f"the sum is {float(result.value)}")
    if not int(result.count):
        _require_nothing(result)


def _require_nothing(found: Answer) -> None:
    require(float(found.value) == 0.0, f"a sum of {float(found.value)} over no term")
    for name, gradient in found.gradients.items():
        require(not gradient.any(), f"a gradient in the {name} of a sum over no term")
