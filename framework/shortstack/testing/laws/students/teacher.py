"""Building a student has no side effects on the teacher."""

from shortstack.testing.comparing import require
from shortstack.testing.fingerprints import differences, fingerprint
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import built_from
from shortstack.testing.random_states import seeded
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject


@law("student", pruning=prunings())
def teacher_untouched(subject: Subject, *, pruning: Pruning) -> None:
    """Building leaves the teacher as it was: weights, flags, gradients, hooks, config; and the global random state."""
    teacher = pruning.teacher.build()
    # one frozen parameter, so that a reset of the flags shows
    next(teacher.parameters()).requires_grad_(requires_grad=False)
    # not 0: Hypothesis seeds each example with 0, which would hide a component that seeds with 0 itself
    with seeded(77):
        before = fingerprint(teacher)
        built_from(subject, teacher, pruning.selection)
        changed = differences(before, fingerprint(teacher))

    require(not changed, f"building changed {', '.join(changed)}")
