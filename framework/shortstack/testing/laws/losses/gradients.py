"""Gradients are right, reach the student alone, and nothing is written to."""

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


@law("loss", 47, when=OF_TEACHER, examples=10, inputs=loss_inputs())
def teacher_at_peace(subject: Subject, *, inputs: LossInputs) -> None:
    """No gradient flows into the teacher, even where its outputs ask for one: the loss detaches them."""
    one, given = ready(subject, inputs), inputs.build()
    ours, theirs = outputs_by_name(given.student), outputs_by_name(given.teacher)
    for leaf in (*ours.values(), *theirs.values()):
        leaf.requires_grad_()
    value = one.loss(rebuilt(given.student, ours), rebuilt(given.teacher, theirs), given.batch, one.module)

    reached = [name for name, gradient in gradients_of(value, theirs).items() if gradient.any()]
    require(not reached, f"a gradient flows into the teacher's {', '.join(reached)}")


@law("loss", 47, examples=10, inputs=loss_inputs())
def inputs_untouched(subject: Subject, *, inputs: LossInputs) -> None:
    """Nothing that a loss is given is written to, for other losses read it too; nor does it change what a process shares."""
    one, given = ready(subject, inputs), inputs.build()
    leaves = {name: leaf.requires_grad_() for name, leaf in outputs_by_name(given.student).items()}
    student, teacher = rebuilt(given.student, leaves), given.teacher
    batch = LossBatch(labels=given.batch.labels.clone(), mask=given.batch.mask.clone())
    shared = shared_settings()
    one.loss(student, teacher, batch, one.module)
    changed = [name for name, value in shared_settings().items() if value != shared[name]]
    require(not changed, f"the loss changed {', '.join(changed)}")

    expected = {
        **{f"the student's {name}": tensor for name, tensor in leaves.items()},
        **{f"the teacher's {name}": tensor for name, tensor in outputs_by_name(inputs.build().teacher).items()},
        "the labels": given.batch.labels,
        "the mask": given.batch.mask,
    }
    actual = {
        **{f"the student's {name}": tensor for name, tensor in outputs_by_name(student).items()},
        **{f"the teacher's {name}": tensor for name, tensor in outputs_by_name(teacher).items()},
        "the labels": batch.labels,
        "the mask": batch.mask,
    }
    written = [name for name, tensor in expected.items() if not torch.equal(tensor, actual[name])]
    require(not written, f"the loss wrote to {', '.join(written)}")


@law("loss", 47, examples=10, inputs=loss_inputs(widths=((4, 6), (4, 4))))
def no_hidden_parameters(subject: Subject, *, inputs: LossInputs) -> None:
    """All that a sum asks to be trained is the student's, or in the module that was prepared: nothing else is trained."""
    one, given = ready(subject, inputs), inputs.build()
    ours = {name: leaf.requires_grad_() for name, leaf in outputs_by_name(given.student).items()}
    value = one.loss(rebuilt(given.student, ours), given.teacher, given.batch, one.module)
    known = [*ours.values(), *(one.module.parameters() if one.module is not None else ())]
    hidden = [leaf for leaf in _leaves(value) if not any(leaf is other for other in known)]
    require(
        not hidden,
        f"the gradient flows into a parameter of shape {[tuple(leaf.shape) for leaf in hidden][:1]} that is not in the "
        "module that prepare gave, so it is never trained and no checkpoint holds it",
    )


@law(
    "loss",
    47,
    examples=5,
    inputs=loss_inputs(rows=(1, 2), tokens=(1, 3), candidates=(2, 5), scales=(1.0,), dtypes=("float64",)),
)
def numerical_gradient(subject: Subject, *, inputs: LossInputs) -> None:
    """Gradients are what finite differences say, in random directions in which there is no kink."""
    one, given = ready(subject, inputs), inputs.build()
    leaves = outputs_by_name(given.student)

    def value(tensors: Mapping[str, Tensor]) -> Tensor:
        teacher = rebuilt(given.teacher, outputs_by_name(given.teacher))
        return one.loss(rebuilt(given.student, tensors), teacher, given.batch, one.module)

    for leaf in leaves.values():
        leaf.requires_grad_()
    gradients = gradients_of(value(leaves), leaves)
    generator = torch.Generator().manual_seed(inputs.seed)
    for _ in range(_DIRECTIONS):
        _require_slope(value, leaves, gradients, _unit(leaves, generator))


def _leaves(value: Tensor) -> Iterator[Tensor]:
    """Every tensor that a sum's graph begins with."""
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
    """A random direction of length 1."""
    drawn = {name: torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) for name, leaf in leaves.items()}
    length = torch.cat([part.flatten() for part in drawn.values()]).norm()
    return {name: part / length for name, part in drawn.items()}


def _require_slope(
    value: Callable[[Mapping[str, Tensor]], Tensor],
    leaves: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    direction: Mapping[str, Tensor],
) -> None:
    """A sum rises in a direction as its gradient says; at a kink, where the sides disagree, nothing is asked."""

    def there(step: float) -> Tensor:
        with torch.no_grad():
            return value({name: leaf + step * direction[name] for name, leaf in leaves.items()})

    step, allowed = DIFFERENCES["float64" if there(0.0).dtype == torch.float64 else "float32"]
    behind, here, ahead = (float(there(side * step)) for side in (-1, 0, 1))
    slope = sum(float((gradient * direction[name]).sum()) for name, gradient in gradients.items())
    tolerated = allowed.absolute + allowed.relative * abs(slope)
    if abs(ahead - 2 * here + behind) / step > 2 * tolerated:
        return
    measured = (ahead - behind) / (2 * step)
    require(
        abs(measured - slope) <= tolerated,
        f"the gradient says {slope!r}, finite differences say {measured!r}; tolerated {tolerated:.3g}",
    )
