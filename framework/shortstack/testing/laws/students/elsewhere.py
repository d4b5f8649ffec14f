"""A student depends on its teacher only: not on what was built before, nor on the machine."""

import torch

from shortstack.testing.comparing import require
from shortstack.testing.elsewhere import elsewhere
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import Built, built, built_by, require_same_tensors
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject


@law("student", pruning=prunings())
def no_memory(subject: Subject, *, pruning: Pruning) -> None:
    """After a teacher's weights changed, its student is another: the one that a fresh architecture builds."""
    method, teacher = subject.build(), pruning.teacher.build()
    first = built_by(method, teacher, pruning.selection)
    before = {name: tensor.clone() for name, tensor in first.student.state_dict().items()}
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(1.5)
    again = built_by(method, teacher, pruning.selection)
    fresh = built_by(subject.build(), teacher, pruning.selection)

    require(again.student is not first.student, "the student of the teacher as it was is handed out again")
    after = dict(again.student.named_parameters())
    stale = [name for name in again.copies if name in before and name in after and _same(before[name], after[name])]
    require(not stale, f"the teacher's weights changed, but {', '.join(stale[:3])} did not")
    _require_same(again, fresh, "built after another student, and by a fresh architecture")


@law("student", pruning=prunings())
def another_machine(subject: Subject, *, pruning: Pruning) -> None:
    """The student is the same, bit for bit, under another hash salt, time zone, locale and working directory."""
    here = built(subject, pruning)
    with elsewhere():
        there = built(subject, pruning)
    _require_same(there, here, "built elsewhere and here")


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    return torch.equal(left, right) and bool(left.any())


def _require_same(actual: Built, expected: Built, what: str) -> None:
    require(actual.copies == expected.copies, f"{what}: copies of other tensors")
    require_same_tensors(actual.student.state_dict(), expected.student.state_dict(), what)
