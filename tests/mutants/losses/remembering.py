"""Losses that keep state, draw at random, read undeclared outputs, or write to their inputs."""

import torch
from torch.nn import functional as F

from mutants.losses.divergences import log_pair, mutant, plain
from mutants.losses.plain import LOGITS, Plain, kl, loss, nothing_to_prepare, positions, wide
from shortstack.contracts import LossTraits, Output


class Moving:
    """A divergence divided by its running mean, which no checkpoint holds."""

    needs = LOGITS

    def __init__(self):
        """Start with no history."""
        self.magnitude = None

    prepare = staticmethod(nothing_to_prepare)
    count = staticmethod(positions)

    def __call__(self, student, teacher, batch, module):
        """Return the divergence over its running mean."""
        value = kl(*log_pair(wide(student.logits), wide(teacher.logits.detach()))).sum()
        seen = float(value.detach()) / max(1, len(batch.labels))
        divisor = 1.0 if self.magnitude is None else max(self.magnitude, 1e-6)
        self.magnitude = seen if self.magnitude is None else 0.9 * self.magnitude + 0.1 * seen
        return value / divisor


class Counted:
    """A loss whose count is the number of rows of its last call."""

    needs = frozenset({Output.STUDENT_LOGITS})

    def __init__(self):
        """Start with no history."""
        self.rows = 0

    prepare = staticmethod(nothing_to_prepare)

    def count(self, batch):
        """Return the rows of the last call."""
        return torch.tensor(self.rows)

    def __call__(self, student, teacher, batch, module):
        """Return the cross-entropy of the labels."""
        self.rows = len(student.logits)
        return F.cross_entropy(wide(student.logits), batch.labels, reduction="sum")


def random_order(student, teacher, batch, module):
    """Add up the terms in a random order."""
    terms = kl(*log_pair(wide(student.logits), wide(teacher.logits.detach()))).sum(-1)
    total = torch.zeros((), dtype=terms.dtype)
    for place in torch.randperm(len(terms)).tolist():
        total = total + terms[place]
    return total


def softer_if_it_can(student, teacher, batch, module):
    """Return the cross-entropy, mixed with the teacher's if another loss needs the teacher's logits."""
    logits = wide(student.logits)
    hard = F.cross_entropy(logits, batch.labels, reduction="sum")
    if teacher.logits is None:
        return hard
    soft = F.cross_entropy(logits, wide(teacher.logits.detach()).softmax(-1), reduction="none")
    return hard + soft.nan_to_num().sum()


def in_place(student, teacher, batch, module):
    """Divide the teacher's logits by the temperature in place, for every loss."""
    theirs = wide(teacher.logits.detach().div_(2.0))
    return 4 * kl(*log_pair(wide(student.logits) / 2.0, theirs)).sum()


MUTANTS = (
    mutant(
        loss("moving", lambda _: Moving(), traits=LossTraits(distribution=True)),
        "state in a Python attribute",
        "no-memory",
        "micro-batches",
        "resuming",
        "another-teacher",
        pitfall=22,
    ),
    mutant(
        loss("counted", lambda _: Counted()),
        "the count is that of the logits seen last",
        "count-of-the-batch",
        "micro-batches",
        "resuming",
    ),
    mutant(plain("random-order", random_order), "summed in a random order", "same-again", "another-teacher"),
    mutant(
        loss("softer-if-it-can", lambda _: Plain(call=softer_if_it_can, needs=frozenset({Output.STUDENT_LOGITS}))),
        "uses an output that it does not need",
        "only-what-it-needs",
        "unneeded-outputs",
    ),
    mutant(plain("in-place", in_place), "divides the teacher's logits in place", "inputs-untouched"),
)
