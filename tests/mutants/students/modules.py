"""Wrong modules: old indices, wrong mode, hooks, frozen or additional parameters; and changes to the teacher."""

import random

import attrs
import numpy as np
import torch

from mutants.students.correct import Blocks, transplanted
from mutants.students.plain import blocks, descriptor, plain, wrong


@attrs.frozen
class StaleBlocks(Blocks):
    """Layer modules keep the indices that they had in the teacher."""

    def transfer(self, teacher, student, selection, calibration):
        """Copy the modules as they are."""
        return transplanted(teacher, student, selection)


def frozen(_teacher, student, _copies, _selection):
    """Freeze the embeddings."""
    student.get_input_embeddings().requires_grad_(requires_grad=False)


def training(_teacher, student, _copies, _selection):
    """Leave the student in training mode, with dropout on."""
    student.train()


def projecting(_teacher, student, _copies, _selection):
    """Leave a matrix for hidden-state matching on the student."""
    student.projection = torch.nn.Linear(16, 16, bias=False, dtype=student.dtype).eval()
    torch.nn.init.eye_(student.projection.weight)


def looking_ahead(_teacher, student, _copies, _selection):
    """Mark attention modules as not causal."""
    for module in student.modules():
        if "is_causal" in vars(module):
            module.is_causal = False


def hooked(_teacher, student, _copies, _selection):
    """Leave a hook that does nothing on the student."""
    getattr(*blocks(student))[0].register_forward_hook(lambda *_: None)


def teacher_training(teacher, _student, _copies, _selection):
    """Leave the teacher in training mode."""
    teacher.train()


def teacher_emptied(teacher, _student, _copies, selection):
    """Zero the teacher's dropped layers."""
    for index, layer in enumerate(getattr(*blocks(teacher))):
        for parameter in layer.parameters() if index not in selection.kept else ():
            parameter.data = parameter.data.new_zeros(parameter.shape)


def teacher_hooked(teacher, _student, _copies, _selection):
    """Leave a hook on the teacher."""
    getattr(*blocks(teacher))[0].register_forward_hook(lambda *_: None)


def teacher_frozen(teacher, _student, _copies, _selection):
    """Freeze the teacher."""
    teacher.requires_grad_(requires_grad=False)


def seeding(_teacher, _student, _copies, _selection):
    """Seed the global generators."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


MUTANTS = (
    wrong(
        descriptor("stale-blocks", StaleBlocks),
        "Layers keep their old indices, so that the cache writes to the wrong places.",
        breaks={"cached-generation"},
        pitfall=13,
    ),
    wrong(plain("frozen", finish=frozen), "The embeddings cannot be trained.", breaks={"trainable"}),
    wrong(
        plain("training", finish=training),
        "The student is handed out in training mode.",
        breaks={"evaluation-mode"},
        pitfall=8,
    ),
    wrong(
        plain("projecting", finish=projecting),
        "A projection is left on the student and saved with it.",
        breaks={"stock", "parameter-count", "round-trip", "trainable"},
        pitfall=22,
    ),
    wrong(
        plain("looking-ahead", finish=looking_ahead, whole_layers=False),
        "Tokens see those after them.",
        breaks={"causality", "cached-generation", "round-trip"},
    ),
    wrong(
        plain("hooked", finish=hooked),
        "A hook is left on the student, which no file carries.",
        breaks={"stock"},
        pitfall=17,
    ),
    wrong(
        plain("teacher-training", finish=teacher_training),
        "The teacher is left in training mode.",
        breaks={"teacher-untouched"},
        pitfall=8,
    ),
    wrong(
        plain("teacher-emptied", finish=teacher_emptied),
        "The teacher's dropped layers are emptied.",
        breaks={"teacher-untouched"},
    ),
    wrong(
        plain("teacher-hooked", finish=teacher_hooked), "A hook is left on the teacher.", breaks={"teacher-untouched"}
    ),
    wrong(
        plain("teacher-frozen", finish=teacher_frozen),
        "The teacher's parameters are frozen.",
        breaks={"teacher-untouched"},
    ),
    wrong(plain("seeding", finish=seeding), "The global random generators are seeded.", breaks={"teacher-untouched"}),
)
