"""What a student architecture leaves alone."""

from shortstack.testing.comparing import require
from shortstack.testing.fingerprints import differences, fingerprint
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import built_from
from shortstack.testing.random_states import seeded
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import prunings
from shortstack.testing.subject import Subject


@law("student", 35, pruning=prunings())
def teacher_untouched(subject: Subject, *, pruning: Pruning) -> None:
    """Building leaves the teacher as it was: weights, flags, gradients, hooks, config; and the world's random state."""
    teacher = pruning.teacher.build()
    next(teacher.parameters()).requires_grad_(requires_grad=False)
    with seeded(77):  # Hypothesis starts each example at 0, and so does who seeds without need
        before = fingerprint(teacher)
        built_from(subject, teacher, pruning.selection)
        changed = differences(before, fingerprint(teacher))

    require(not changed, f"building changed {', '.join(changed)}")
