"""Sums over terms: of two batches together, the sum of both."""

from collections.abc import Mapping

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor

from shortstack.contracts import ModelOutputs
from shortstack.testing.law import law, promises
from shortstack.testing.laws.losses.measuring import Answer, answer, logits_of, require_same
from shortstack.testing.recipes.loss_inputs import Given, LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject


@law("loss", 46, when=promises("additive"), inputs=loss_inputs(rows=(2, 5)), part=st.floats(0, 1))
def additivity(subject: Subject, *, inputs: LossInputs, part: float) -> None:
    """Sum, count and gradients of two batches together are the sums of both: no mean, and no term across examples."""
    given = inputs.build()
    cut = 1 + round(part * (len(inputs.lengths) - 2))
    first, second = _rows(given, slice(None, cut)), _rows(given, slice(cut, None))
    together = _joined(answer(subject, inputs, first), answer(subject, inputs, second))

    require_same(subject, given, together, answer(subject, inputs), "of two batches, added up")


def _rows(given: Given, rows: slice) -> Given:
    """A batch of some rows of a batch."""
    before = sum(given.supervised[: rows.start or 0])
    positions = slice(before, before + sum(given.supervised[rows]))

    def some(outputs: ModelOutputs) -> ModelOutputs:
        states = {layer: state[rows] for layer, state in (outputs.states or {}).items()}
        return ModelOutputs(logits=logits_of(outputs)[positions], states=states)

    batch = attrs.evolve(given.batch, labels=given.batch.labels[positions], mask=given.batch.mask[rows])
    return Given(
        student=some(given.student), teacher=some(given.teacher), batch=batch, supervised=given.supervised[rows]
    )


def _joined(first: Answer, second: Answer) -> Answer:
    """Sums added, gradients of outputs side by side, those of the loss's own parameters added."""
    gradients: Mapping[str, Tensor] = {
        name: gradient + second.gradients[name]
        if name.startswith("the loss's own")
        else torch.cat([gradient, second.gradients[name]])
        for name, gradient in first.gradients.items()
    }
    return Answer(value=first.value + second.value, count=first.count + second.count, gradients=gradients)
