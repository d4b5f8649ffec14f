"""Gradients are right and reach only the student, and inputs are not written to."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from shortstack.contracts import LossBatch
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.laws.losses.measuring import (
    OF_TEACHER,
    gradients_of,
    outputs_by_name,
    ready,
    rebuilt,
)
from shortstack.testing.recipes.loss_inputs import LossInputs
from shortstack.testing.shared import shared_settings
from shortstack.testing.strategies import loss_inputs
from shortstack.testing.subject import Subject
from shortstack.testing.tolerances import DIFFERENCES

_DIRECTIONS: Final = 4


@law("loss", when=OF_TEACHER, examples=10, inputs=loss_inputs())
def teacher_at_peace(subject: Subject, *, inputs: LossInputs) -> None:
    """No gradient flows into the teacher, even where its outputs require one: the loss detaches them."""
    prepared, original = ready(subject, inputs), inputs.build()
    ours, theirs = outputs_by_name(original.student), outputs_by_name(original.teacher)
    for leaf in (*ours.values(), *theirs.values()):
        leaf.requires_grad_()
    value = prepared.loss(
        rebuilt(original.student, ours), rebuilt(original.teacher, theirs), original.batch, prepared.module
    )

    reached = [name for name, gradient in gradients_of(value, theirs).items() if gradient.any()]
    require(not reached, f"a gradient flows into the teacher's {', '.join(reached)}")


@law("loss", examples=10, inputs=loss_inputs())
def inputs_untouched(subject: Subject, *, inputs: LossInputs) -> None:
    """A loss writes to none of its inputs, which other losses read too, and changes no process-wide setting."""
    prepared, original = ready(subject, inputs), inputs.build()
    leaves = {name: leaf.requires_grad_() for name, leaf in outputs_by_name(original.student).items()}
    student, teacher = rebuilt(original.student, leaves), original.teacher
    batch = LossBatch(labels=original.batch.labels.clone(), mask=original.batch.mask.clone())
    shared = shared_settings()
    prepared.loss(student, teacher, batch, prepared.module)
    changed = [name for name, value in shared_settings().items() if value != shared[name]]
    require(not changed, f"the loss changed {', '.join(changed)}")

    expected = {
        **{f"the student's {name}": tensor for name, tensor in leaves.items()},
        **{f"the teacher's {name}": tensor for name, tensor in outputs_by_name(inputs.build().teacher).items()},
        "the labels": original.batch.labels,
        "the mask": original.batch.mask,
    }
    actual = {
        **{f"the student's {name}": tensor for name, tensor in outputs_by_name(student).items()},
        **{f"the teacher's {name}": tensor for name, tensor in outputs_by_name(teacher).items()},
        "the labels": batch.labels,
        "the mask": batch.mask,
    }
    written = [name for name, tensor in expected.items() if not torch.equal(tensor, actual[name])]
    require(not written, f"the loss wrote to {', '.join(written)}")


@law("loss", examples=10, inputs=loss_inputs(widths=((4, 6), (4, 4))))
def no_hidden_parameters(subject: Subject, *, inputs: LossInputs) -> None:
    """Gradients flow only to the student's outputs and to the prepared module's parameters: nothing else is trained."""
    prepared, original = ready(subject, inputs), inputs.build()
    ours = {name: leaf.requires_grad_() for name, leaf in outputs_by_name(original.student).items()}
    value = prepared.loss(rebuilt(original.student, ours), original.teacher, original.batch, prepared.module)
    known = [*ours.values(), *(prepared.module.parameters() if prepared.module is not None else ())]
    hidden = [leaf for leaf in _leaves(value) if not any(leaf is other for other in known)]
    require(
        not hidden,
        f"the gradient flows into a parameter of shape {[tuple(leaf.shape) for leaf in hidden][:1]} that is not in the "
        "module that prepare gave, so it is never trained and no checkpoint holds it",
    )


@law(
    "loss",
    examples=5,
    inputs=loss_inputs(rows=(1, 2), tokens=(1, 3), candidates=(2, 5), scales=(1.0,), dtypes=("float64",)),
)
def numerical_gradient(subject: Subject, *, inputs: LossInputs) -> None:
    """Gradients agree with finite differences, in random directions without a kink."""
    prepared, original = ready(subject, inputs), inputs.build()
    leaves = outputs_by_name(original.student)

    def value(tensors: Mapping[str, Tensor]) -> Tensor:
        teacher = rebuilt(original.teacher, outputs_by_name(original.teacher))
        return prepared.loss(rebuilt(original.student, tensors), teacher, original.batch, prepared.module)

    for leaf in leaves.values():
        leaf.requires_grad_()
    gradients = gradients_of(value(leaves), leaves)
    generator = torch.Generator().manual_seed(inputs.seed)
    for _ in range(_DIRECTIONS):
        _require_slope(value, leaves, gradients, _unit(leaves, generator))


def _leaves(value: Tensor) -> Iterator[Tensor]:
    """Yield every leaf tensor of a sum's autograd graph."""
    waiting: list[Any] = [value.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name().endswith("AccumulateGrad"):
            yield node.variable
        waiting += [before for before, _ in node.next_functions]


def _unit(leaves: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Return a random direction of length 1."""
    drawn = {name: torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) for name, leaf in leaves.items()}
    length = torch.cat([part.flatten() for part in drawn.values()]).norm()
    return {name: part / length for name, part in drawn.items()}


def _require_slope(
    value: Callable[[Mapping[str, Tensor]], Tensor],
    leaves: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    direction: Mapping[str, Tensor],
) -> None:
    """Raise unless a directional derivative agrees with the gradient; skip kinks, where the one-sided slopes differ."""

    def there(step: float) -> Tensor:
        with torch.no_grad():
            return value({name: leaf + step * direction[name] for name, leaf in leaves.items()})

    step, allowed = DIFFERENCES["float64" if there(0.0).dtype == torch.float64 else "float32"]
    behind, here, ahead = (float(there(side * step)) for side in (-1, 0, 1))
    slope = sum(float((gradient * direction[name]).sum()) for name, gradient in gradients.items())
    tolerated = allowed.absolute + allowed.relative * abs(slope)
    # the slopes of the two sides differ by the second difference over the step
    if abs(ahead - 2 * here + behind) / step > 2 * tolerated:
        return
    measured = (ahead - behind) / (2 * step)
    require(
        abs(measured - slope) <= tolerated,
        f"the gradient says {slope!r}, finite differences say {measured!r}; tolerated {tolerated:.3g}",
    )
