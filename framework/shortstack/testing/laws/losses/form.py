"""The form of a loss's sum and count, and the inputs that may influence them."""

import attrs
import torch

from shortstack.contracts import ModelOutputs, Output
from shortstack.distillation.model_outputs import STUDENT_OUTPUTS, TEACHER_OUTPUTS, OutputsOf
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.losses.measuring import Answer, answer, answered, everywhere, ready
from shortstack.testing.recipes.loss_inputs import Given, LossInputs
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject


@law("loss", inputs=loss_inputs(dtypes=("float64", "float32", "bfloat16")))
def one_number(subject: Subject, *, inputs: LossInputs) -> None:
    """A loss is one finite number in float32 or float64, whatever the types of what it is given."""
    value = answer(subject, inputs).value

    require(value.shape == (), f"a tensor of shape {tuple(value.shape)}, not one number")
    require(value.dtype in {torch.float32, torch.float64}, f"a sum in {value.dtype}, not in float32 or float64")
    require(bool(value.isfinite()), f"the sum is {float(value)}")


@law("loss", examples=5, inputs=loss_inputs(rows=(5, 6), tokens=(3, 5), candidates=(5, 9), scales=(1.0,)))
def something_to_learn(subject: Subject, *, inputs: LossInputs) -> None:
    """The student's gradient is finite and not 0 everywhere, if the two models differ."""
    gradients = answer(subject, inputs).gradients

    for name, gradient in gradients.items():
        require(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")
    require(any(bool(g.any()) for g in gradients.values()), "the gradient is 0 everywhere: nothing can be learnt")


@law("loss", inputs=loss_inputs(), other=loss_inputs())
def count_of_the_batch(subject: Subject, *, inputs: LossInputs, other: LossInputs) -> None:
    """The count is one int64 number, from labels and masks alone: nothing that the models gave changes it."""
    prepared = ready(subject, inputs)
    batch = inputs.build().batch
    count = prepared.loss.count(batch)
    again = attrs.evolve(other, kept=inputs.kept, layers=inputs.layers, widths=inputs.widths, dtype=inputs.dtype)
    answered(prepared, again.build())

    require(count.shape == (), f"a count of shape {tuple(count.shape)}, not one number")
    require(count.dtype == torch.int64, f"a count in {count.dtype}, not in int64")
    require(int(count) >= 0, f"a count of {int(count)}")
    after = prepared.loss.count(batch)
    require(int(count) == int(after), f"{int(count)} terms at first, {int(after)} after the loss saw another batch")


@law("loss", inputs=loss_inputs())
def only_what_it_needs(subject: Subject, *, inputs: LossInputs) -> None:
    """A loss that is given only the outputs it needs, or no teacher if it needs none of its, gives the same result."""
    needs = subject.build().needs
    strange = [need for need in needs if not isinstance(need, Output)]
    require(not strange, f"it needs {strange}, which are no outputs")
    alone = None if any(need.of_teacher for need in needs) else _taught_by_nobody(subject, inputs)
    original = inputs.build()
    require_equal(
        alone or answer(subject, inputs, _limited(original, needs)), answer(subject, inputs), "given only what it needs"
    )


@law("loss", inputs=loss_inputs())
def unneeded_outputs(subject: Subject, *, inputs: LossInputs) -> None:
    """Outputs that a loss does not need may be anything, even NaN: sum and gradients are the same, bit for bit."""
    needs = subject.build().needs
    if all(need in needs for need in Output):
        return
    original = inputs.build()
    limited, spoilt = _limited(original, needs), _limited(original, needs, otherwise=torch.nan)
    require_equal(answer(subject, inputs, limited), answer(subject, inputs, spoilt), "without what it does not need")


@law("loss", inputs=loss_inputs(rows=(3, 5), tokens=(2, 5)))
def same_again(subject: Subject, *, inputs: LossInputs) -> None:
    """The same inputs give the same sum and gradients, bit for bit, whatever the random state."""
    first, second = (answer(subject, inputs, seed=seed) for seed in (0, 1))
    require_equal(second, first, "with another random state")


@law("loss", inputs=loss_inputs(), other=loss_inputs())
def no_memory(subject: Subject, *, inputs: LossInputs, other: LossInputs) -> None:
    """Earlier batches change nothing, bit for bit, except through the loss's own module, which checkpoints keep."""
    again = attrs.evolve(other, kept=inputs.kept, layers=inputs.layers, widths=inputs.widths, dtype=inputs.dtype)
    shorter = (max(inputs.lengths), *(1 for _ in inputs.lengths[1:]))  # a mask of the same shape
    prepared = ready(subject, inputs)
    for earlier in (again, attrs.evolve(inputs, seed=other.seed), attrs.evolve(inputs, lengths=shorter)):
        answered(prepared, earlier.build())
    fresh = ready(subject, inputs)

    require_equal(
        answered(attrs.evolve(prepared, module=fresh.module), inputs.build()),
        answered(fresh, inputs.build()),
        "after other batches",
    )


def _taught_by_nobody(subject: Subject, inputs: LossInputs) -> Answer:
    """Return the result of a loss without a teacher."""
    prepared = ready(subject, inputs, alone=True)
    return answered(prepared, _limited(inputs.build(), prepared.loss.needs))


def _limited(given: Given, needs: frozenset[Output], *, otherwise: float | None = None) -> Given:
    """Return the inputs without the unneeded outputs, or with those filled with a number."""

    def limited(outputs: ModelOutputs, which: OutputsOf) -> ModelOutputs:
        rest = ModelOutputs()
        if otherwise is not None:
            rest = everywhere(outputs, lambda tensor: torch.full_like(tensor, otherwise))
        return ModelOutputs(
            logits=(outputs if which.logits in needs else rest).logits,
            states=(outputs if which.states in needs else rest).states,
            attention=(outputs if which.attention in needs else rest).attention,
        )

    return attrs.evolve(
        given, student=limited(given.student, STUDENT_OUTPUTS), teacher=limited(given.teacher, TEACHER_OUTPUTS)
    )


def require_equal(actual: Answer, expected: Answer, what: str) -> None:
    """Raise unless two results are equal, bit for bit; of the gradients, those that the first has are compared.

    Raises:
        AssertionError: They differ; the message says where.
    """
    require(
        int(actual.count) == int(expected.count),
        f"{int(actual.count)} terms {what}, and {int(expected.count)} otherwise",
    )
    require(
        torch.equal(actual.value, expected.value),
        f"the sum is {float(actual.value)!r} {what}, and {float(expected.value)!r} otherwise",
    )
    for name, gradient in actual.gradients.items():
        require(torch.equal(gradient, expected.gradients[name]), f"the gradient of {name} is another {what}")
