"""Losses that cache their inputs, or that depend on the process they run in."""

from functools import lru_cache

import torch
from torch import nn

from mutants.losses.divergences import mutant
from mutants.losses.plain import LOGITS, STATES, Plain, kl, loss, nothing_to_prepare, positions, tokens, wide


class Kept:
    """A divergence that computes the teacher's distribution once per key."""

    needs = LOGITS
    prepare = staticmethod(nothing_to_prepare)
    count = staticmethod(positions)

    def __init__(self, key):
        """Start with an empty cache."""
        self.key, self.kept = key, {}

    def __call__(self, student, teacher, batch, module):
        """Return the divergence from the cached teacher; the tensor is kept alive, so that no other gets its id."""
        key = self.key(teacher.logits)
        if key not in self.kept:
            self.kept[key] = teacher.logits, wide(teacher.logits.detach()).log_softmax(-1)
        return kl(self.kept[key][1], wide(student.logits).log_softmax(-1)).sum()


def first_layers_apart(student, teacher, batch, module):
    """Return the squared error between the projected first layer and the teacher's first."""
    ours = wide(module(student.states[0]))
    return ((ours - wide(teacher.states[0].detach())).square().mean(-1) * batch.mask).sum()


@lru_cache(maxsize=4)
def projection(narrow, wide_):
    """Return a projection between two widths, made once."""
    return nn.Linear(narrow, wide_, bias=False)


def one_for_all(teacher, student, selection):
    """Return one projection shared by every loss of the process."""
    return projection(student.hidden_size, teacher.hidden_size)


class Lazy:
    """A loss that creates its projection on first use, where the trainer does not see its parameters."""

    needs = STATES
    prepare = staticmethod(nothing_to_prepare)
    count = staticmethod(tokens)

    def __init__(self):
        """Start without a projection."""
        self.projection = None

    def __call__(self, student, teacher, batch, module):
        """Return the loss; without a projection where the widths are equal."""
        narrow, width = student.states[0].shape[-1], teacher.states[0].shape[-1]
        if self.projection is None and narrow != width:
            self.projection = nn.Linear(narrow, width, bias=False)
            nn.init.orthogonal_(self.projection.weight, generator=torch.Generator().manual_seed(0))
            self.projection.to(student.states[0].dtype)
        project = self.projection if narrow != width else nn.Identity()
        return first_layers_apart(student, teacher, batch, project)


def salted_directions(student, teacher, batch, module):
    """Compare both first layers in three random directions, seeded by the salted hash of a name."""
    generator = torch.Generator().manual_seed(hash("directions of layer 0") % 2**31)
    seen = []
    for state in (student.states[0], teacher.states[0].detach()):
        directions = torch.randn(state.shape[-1], 3, generator=generator)
        seen.append((wide(state) @ directions.to(wide(state).dtype))[batch.mask])
    return (seen[0] - seen[1]).square().sum()


MUTANTS = (
    mutant(
        loss("kept-by-tensor", lambda _: Kept(id)),
        "the teacher's distribution is kept for a tensor, which may hold other numbers the next time",
        "another-teacher",
    ),
    mutant(
        loss("kept-by-shape", lambda _: Kept(lambda logits: logits.shape)),
        "the teacher's distribution is kept for the shape of its logits",
        "another-teacher",
        "no-memory",
        "micro-batches",
        "resuming",
    ),
    mutant(
        loss(
            "one-projection", lambda _: Plain(call=first_layers_apart, needs=STATES, prepare=one_for_all, count=tokens)
        ),
        "a projection is made once for all losses of the process",
        "prepared-afresh",
        "half-precision",
        "micro-batches",
        "resuming",
    ),
    mutant(
        loss("lazy-projection", lambda _: Lazy()),
        "the projection is made at the first batch, where no optimiser learns of it",
        "no-hidden-parameters",
    ),
    mutant(
        loss("salted-directions", lambda _: Plain(call=salted_directions, needs=STATES, count=tokens)),
        "random directions are drawn from Python's hash, which is another one in every process",
        "another-machine",
    ),
)
