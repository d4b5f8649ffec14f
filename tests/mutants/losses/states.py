"""Losses on states that compare the wrong layers, or train nothing."""

import torch
from torch import nn

from mutants.losses.divergences import mutant
from mutants.losses.plain import nothing_to_prepare, on_states
from shortstack.contracts import LossTraits


def apart(ours, theirs, mask):
    """Return the mean squared error of each token, summed."""
    return (ours[mask] - theirs[mask]).square().mean(-1).sum()


def same_places(ours, theirs, batch, module):
    """Compare student layer ``j`` with teacher layer ``j``."""
    width = min(ours[0].shape[-1], theirs[0].shape[-1])
    return sum(apart(ours[j][..., :width], theirs[j][..., :width], batch.mask) for j in ours)


def swallowing(ours, theirs, batch, module):
    """Return 0 on any RuntimeError."""
    try:
        return apart(ours[0], theirs[0], batch.mask)
    except RuntimeError:
        return 0 * ours[0].sum()


def projections(teacher, student, selection):
    """Return one projection per student layer, keyed by its teacher layer."""
    return nn.ModuleDict(
        {str(i): nn.Linear(student.hidden_size, teacher.hidden_size, bias=False) for i in selection.kept}
    )


def untrained(ours, theirs, batch, module):
    """Return the error with the projections detached."""
    total = torch.zeros(())
    for j, (origin, projection) in enumerate(module.items()):
        weight = projection.weight.detach().to(ours[j].dtype)
        total = total + apart(ours[j] @ weight.T, theirs[int(origin)], batch.mask)
    return total


MUTANTS = (
    mutant(
        on_states("same-places", same_places, LossTraits(paired=True)),
        "the map from student layers to teacher layers is ignored",
        "equal-layers",
        pitfall=21,
    ),
    mutant(
        on_states("swallowing", swallowing, prepare=nothing_to_prepare),
        "an error turns distillation off",
        "something-to-learn",
        "another-teacher",
        pitfall=23,
    ),
    mutant(
        on_states("untrained-projections", untrained, prepare=projections),
        "its own parameters get no gradient",
        "own-parameters",
        pitfall=22,
    ),
)
