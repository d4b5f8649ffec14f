"""Padding and unsupervised tokens do not influence a loss."""

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from shortstack.contracts import ModelOutputs
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.losses.measuring import (
    ON_ATTENTION,
    ON_STATES,
    Answer,
    answer,
    at_tokens,
    of_attention,
    of_both,
    require_same,
)
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject

_FAR = 100.0


@law("loss", when=ON_STATES, inputs=loss_inputs(rows=(2, 4)))
def masked_states(subject: Subject, *, inputs: LossInputs) -> None:
    """The models' states at padding change neither sum nor gradients, and their gradient is exactly 0."""
    _require_indifference(subject, inputs, "states")


@law("loss", when=ON_ATTENTION, inputs=loss_inputs(rows=(2, 4)))
def masked_attention(subject: Subject, *, inputs: LossInputs) -> None:
    """Queries, keys and values at padding change neither sum nor gradients, and their gradient is exactly 0."""
    _require_indifference(subject, inputs, "queries, keys and values")


@law("loss", inputs=loss_inputs(), columns=st.integers(1, 3), rows=st.integers(0, 2), right=st.booleans())
def more_padding(subject: Subject, *, inputs: LossInputs, columns: int, rows: int, right: bool) -> None:
    """More columns and rows of padding change neither sum, nor count, nor gradients."""
    original = inputs.build()
    width = original.batch.mask.shape[1]
    before, after = (0, columns) if right else (columns, 0)

    def padded(outputs: ModelOutputs) -> ModelOutputs:
        # padded with 1.5, not 0, so that a loss that reads padding is caught
        return at_tokens(outputs, lambda x: F.pad(x, (*(0, 0) * (x.dim() - 2), before, after, 0, rows), value=1.5))

    mask = F.pad(original.batch.mask, (before, after, 0, rows), value=False)
    wider = attrs.evolve(of_both(original, padded), batch=attrs.evolve(original.batch, mask=mask))
    actual = answer(subject, inputs, wider)

    def cut(name: str, gradient: Tensor) -> Tensor:
        tokens = _tokens_first(name, gradient)
        if tokens is None:
            return gradient
        part = tokens[: len(inputs.lengths), before : before + width]
        return part.transpose(1, 2) if of_attention(name) else part

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


def _require_indifference(subject: Subject, inputs: LossInputs, what: str) -> None:
    """Raise unless the models' states and attention at padding change nothing."""
    original = inputs.build()
    mask = original.batch.mask

    def disturbed(outputs: ModelOutputs) -> ModelOutputs:
        return at_tokens(
            outputs, lambda x: torch.where(mask.reshape(*mask.shape, *(1,) * (x.dim() - 2)), x, _FAR - 3 * x)
        )

    actual = answer(subject, inputs, of_both(original, disturbed))
    for name, gradient in actual.gradients.items():
        tokens = _tokens_first(name, gradient)
        require(tokens is None or not tokens[~mask].any(), f"padding has a gradient in the {name}")
    require_same(subject, original, actual, answer(subject, inputs), f"with other {what} at padding")


def _tokens_first(name: str, gradient: Tensor) -> Tensor | None:
    """Return the gradient of states or attention as ``(batch, tokens, …)``; None for any other."""
    if of_attention(name):
        return gradient.transpose(1, 2)
    return gradient if name.startswith("states") else None


def _require_nothing(answer: Answer) -> None:
    require(float(answer.value) == 0.0, f"a sum of {float(answer.value)} over no term")
    for name, gradient in answer.gradients.items():
        require(not gradient.any(), f"a gradient in the {name} of a sum over no term")
