"""Sums are additive over batches and, where only logits are read, over positions."""

from collections.abc import Mapping
from typing import Final

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor

from shortstack.contracts import ModelOutputs, Output
from shortstack.testing.comparing import assert_close, require
from shortstack.testing.law import Condition, law, promises
from shortstack.testing.laws.losses.measuring import Answer, answer, at_tokens, logits_of, require_same, slack
from shortstack.testing.recipes.loss_inputs import Given, LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import LONG_SUM

MANY: Final = 33
"""Number of examples, one more than a usual batch."""
LONG: Final = 65
"""Positions of each example: in total more than any half-precision dtype can count."""

ADDITIVE: Final = promises("additive")
BY_POSITION: Final = Condition(
    words="traits.additive, and it needs no states",
    holds=lambda subject: (
        ADDITIVE.holds(subject) and subject.build().needs <= {Output.STUDENT_LOGITS, Output.TEACHER_LOGITS}
    ),
)
"""Condition on losses that may be computed for some positions at a time."""


@law("loss", when=ADDITIVE, inputs=loss_inputs(rows=(2, 5)), part=st.floats(0, 1))
def additivity(subject: Subject, *, inputs: LossInputs, part: float) -> None:
    """Sum, count and gradients of two batches together are the sums of both: no mean, and no term across examples."""
    original = inputs.build()
    cut = 1 + round(part * (len(inputs.lengths) - 2))
    first, second = _rows(original, slice(None, cut)), _rows(original, slice(cut, None))
    together = _joined(answer(subject, inputs, first), answer(subject, inputs, second))

    require_same(subject, original, together, answer(subject, inputs), "of two batches, added up")


@law(
    "loss",
    when=ADDITIVE,
    examples=3,
    inputs=loss_inputs(rows=(MANY, MANY), tokens=(1, 1), dtypes=("float32", "bfloat16")),
)
def many_positions(subject: Subject, *, inputs: LossInputs) -> None:
    """For 33 examples with 2,145 positions, sum and count equal those of batches of eight, added up."""
    inputs = attrs.evolve(inputs, lengths=(LONG,) * MANY, supervised="every")
    original = inputs.build()
    whole = answer(subject, inputs)
    parts = [answer(subject, inputs, _rows(original, slice(row, row + 8))) for row in range(0, MANY, 8)]
    count, expected = sum(int(part.count) for part in parts), torch.stack([part.value.double() for part in parts]).sum()

    require(int(whole.count) == count, f"{int(whole.count)} terms, and {count} eight examples at a time")
    allowed = count * slack(subject, original, whole.value.dtype)
    assert_close(
        whole.value, expected, attrs.evolve(LONG_SUM, absolute=allowed), f"the sum over {MANY * LONG} positions"
    )


@law("loss", when=BY_POSITION, inputs=loss_inputs(), cut=st.integers(0, 20))
def position_chunks(subject: Subject, *, inputs: LossInputs, cut: int) -> None:
    """Sum and gradients are those of chunks of positions, added up, wherever an example is cut; a chunk may be empty."""
    original = inputs.build()
    first, second = _positions(original, slice(None, cut)), _positions(original, slice(cut, None))
    together = _joined(answer(subject, inputs, first), answer(subject, inputs, second))
    whole = answer(subject, inputs)
    of_logits = {"logits": together.gradients["logits"]}

    require_same(
        subject,
        original,
        attrs.evolve(together, count=whole.count, gradients=of_logits),
        attrs.evolve(whole, gradients={"logits": whole.gradients["logits"]}),
        "of chunks of positions, added up",
    )


def _positions(given: Given, positions: slice) -> Given:
    """Return some positions of a batch, whose mask stays as it is."""

    def some(outputs: ModelOutputs) -> ModelOutputs:
        return attrs.evolve(outputs, logits=logits_of(outputs)[positions])

    return attrs.evolve(
        given,
        student=some(given.student),
        teacher=some(given.teacher),
        batch=attrs.evolve(given.batch, labels=given.batch.labels[positions]),
    )


def _rows(given: Given, rows: slice) -> Given:
    """Return some rows of a batch."""
    before = sum(given.supervised[: rows.start or 0])
    positions = slice(before, before + sum(given.supervised[rows]))

    def some(outputs: ModelOutputs) -> ModelOutputs:
        cut = at_tokens(outputs, lambda x: x[rows])
        return attrs.evolve(cut, logits=logits_of(outputs)[positions])

    batch = attrs.evolve(given.batch, labels=given.batch.labels[positions], mask=given.batch.mask[rows])
    return Given(
        student=some(given.student), teacher=some(given.teacher), batch=batch, supervised=given.supervised[rows]
    )


def _joined(first: Answer, second: Answer) -> Answer:
    """Return the results of two batches as one: sums and parameter gradients added, output gradients concatenated."""
    gradients: Mapping[str, Tensor] = {
        name: gradient + second.gradients[name]
        if name.startswith("the loss's own")
        else torch.cat([gradient, second.gradients[name]])
        for name, gradient in first.gradients.items()
    }
    return Answer(value=first.value + second.value, count=first.count + second.count, gradients=gradients)
