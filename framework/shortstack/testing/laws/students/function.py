"""The function that a student computes, if every kept layer is the teacher's."""

from shortstack.errors import UnsupportedModelError
from shortstack.models import Decoder, skipping
from shortstack.testing.law import law
from shortstack.testing.laws.students.building import (
    WHOLE_LAYERS,
    built,
    built_from,
    logits,
    require_equal,
    require_same_tensors,
)
from shortstack.testing.recipes.models import FAMILIES, TinyModel
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies import models, prunings
from shortstack.testing.subject import Subject


@law("student", when=WHOLE_LAYERS, teacher=models(tuple(FAMILIES), dtypes=("float64", "float32", "bfloat16")))
def keep_all(subject: Subject, *, teacher: TinyModel) -> None:
    """A student that keeps all layers gives the teacher's logits, bit for bit."""
    pruning = Pruning(teacher=teacher, kept=tuple(range(teacher.layers)))
    student = built(subject, pruning).student

    require_equal(logits(student), logits(teacher.build()), "the logits of a student with all layers and the teacher's")


@law("student", when=WHOLE_LAYERS, pruning=prunings(layers=(2, 4), dropping=True, idle=True))
def identity_layer(subject: Subject, *, pruning: Pruning) -> None:
    """Dropping layers that write nothing to the residual stream leaves the logits as they were, bit for bit."""
    student = built(subject, pruning).student

    require_equal(logits(student), logits(pruning.teacher.build()), "the logits without layers that do nothing")


@law(
    "student",
    when=WHOLE_LAYERS,
    pruning=prunings(layers=(2, 4), dropping=True) | prunings(layers=(12, 12), dropping=True),
)
def others_skipped(subject: Subject, *, pruning: Pruning) -> None:
    """The student gives the logits of the teacher with the other layers skipped, bit for bit."""
    student, teacher = built(subject, pruning).student, pruning.teacher.build()
    expected = logits(skipping(Decoder.of(teacher), pruning.dropped).model)

    require_equal(logits(student), expected, "the logits of the student and of the teacher without the other layers")


@law("student", when=WHOLE_LAYERS, pruning=prunings(layers=(3, 4), dropping=True, twice=True))
def composition(subject: Subject, *, pruning: Pruning) -> None:
    """Shrinking twice equals shrinking once by the composed selection: the same tensors and logits."""
    once = built_from(subject, pruning.teacher.build(), pruning.composed).student
    first = built(subject, pruning).student
    try:
        twice = built_from(subject, first, pruning.second).student
    except UnsupportedModelError as error:
        raise AssertionError(f"the teacher was shrunk, but its student is refused: {error}") from error

    require_same_tensors(twice.state_dict(), once.state_dict(), "shrunk twice and once")
    require_equal(logits(twice), logits(once), "the logits of students shrunk twice and once")
