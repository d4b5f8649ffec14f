"""Losses that are right on small inputs, at their defaults, or where the models differ, and wrong elsewhere."""

from typing import Literal

import attrs
import torch
from torch.nn import functional as F

from mutants.losses.divergences import FORWARD, log_pair, mutant
from mutants.losses.plain import STATES, Plain, kept_layers, kl, loss, on_logits, on_states, tempered, wide
from shortstack.contracts import LossTraits, Output

CHUNK = 1024


def whole_chunks(student, teacher):
    """Read large batches in chunks of 1,024 positions, and drop the incomplete last chunk."""
    rows = len(student) if len(student) < CHUNK else len(student) // CHUNK * CHUNK
    return kl(*log_pair(student[:rows], teacher[:rows])).sum()


def half_count(batch):
    """Count in float16, which holds whole numbers exactly up to 2,048 only."""
    return (batch.mask.half().sum(-1).sum() + 0).long()


def layer_distance(ours, theirs, batch, module):
    """Return the mean squared error of the paired layers."""
    width = min(ours[0].shape[-1], theirs[0].shape[-1])
    gaps = [ours[j][..., :width] - theirs[origin.layer][..., :width] for j, origin in enumerate(module)]
    return sum(gap[batch.mask].square().mean(-1).sum() for gap in gaps) / len(gaps)


def rounded(student, teacher, t):
    """Round temperatures from 1 upwards to whole numbers."""
    t = round(t) if t >= 1 else t
    return t**2 * kl(*log_pair(student, teacher, t)).sum()


def multiplied(student, teacher, t):
    """Return the total variation of logits times the temperature, which is 1 by default."""
    return ((t * student).softmax(-1) - (t * teacher).softmax(-1)).abs().sum() / 2


def finite(logits):
    """Replace ``−inf`` by 0."""
    return logits.masked_fill(logits == -torch.inf, 0.0)


def root_of_the_squares(student, teacher):
    """Return the Euclidean distance, whose gradient is undefined at 0."""
    return (finite(student) - finite(teacher)).square().sum(-1).sqrt().sum()


def angle(student, teacher):
    """Return the angle between the logits, whose gradient is undefined where they are parallel."""
    cosine = F.cosine_similarity(finite(student), finite(teacher), dim=-1).clamp(-1, 1)
    return torch.acos(cosine).sum()


def all_in_use(student, teacher, batch, module):
    """Add 0 times every student output, for trainers that refuse parameters without a gradient."""
    value = kl(*log_pair(wide(student.logits), wide(teacher.logits.detach()))).sum()
    return value + sum(0.0 * wide(state).sum() for state in (student.states or {}).values())


def labels_alone(student, teacher, batch, module):
    """Return the cross-entropy of the labels, which is correct."""
    return F.cross_entropy(wide(student.logits), batch.labels, reduction="sum")


@attrs.frozen(kw_only=True)
class Distance:
    """The setting of ``second-branch``."""

    distance: Literal["mse", "cosine"] = "mse"


def second_branch(settings):
    """Build a loss whose cosine branch ignores the mask."""

    def call(student, teacher, batch, module):
        ours, theirs = wide(student.states[0])[..., :4], wide(teacher.states[0].detach())[..., :4]
        if settings.distance == "cosine":
            return (1 - F.cosine_similarity(ours, theirs, dim=-1)).sum()
        return ((ours - theirs).square().mean(-1) * batch.mask).sum()

    return Plain(call=call, needs=STATES, count=lambda batch: batch.mask.sum())


@attrs.frozen(kw_only=True)
class HalfLife:
    """A setting whose converter is not idempotent, except at the default 0."""

    days: float = attrs.field(default=0.0, converter=lambda days: days * 24)


def top_ten(student, teacher):
    """Return the KL terms of the teacher's ten best candidates alone."""
    best = teacher.topk(min(10, teacher.shape[-1]), dim=-1).indices
    log_p, log_q = (logits.log_softmax(-1).gather(-1, best) for logits in (teacher, student))
    return kl(log_p, log_q).sum()


def first_thousand(student, teacher):
    """Return the divergence over the first 1,000 candidates alone."""
    return kl(*log_pair(student[:, :1_000], teacher[:, :1_000])).sum()


def as_text(ours, theirs, batch, module):
    """Pair layers in the order of their numbers as text: 10 before 2."""
    width = min(ours[0].shape[-1], theirs[0].shape[-1])
    pairs = zip(sorted(ours, key=str), module, strict=True)
    gaps = [ours[layer][..., :width] - theirs[origin.layer][..., :width] for layer, origin in pairs]
    return sum(gap[batch.mask].square().mean(-1).sum() for gap in gaps) / len(gaps)


def in_doubles(student, teacher):
    """Change torch's default dtype for the rest of the process."""
    torch.set_default_dtype(torch.float64)
    return kl(*log_pair(student, teacher)).sum()


MUTANTS = (
    mutant(
        on_logits("top-ten", top_ten, FORWARD),
        "all but the teacher's ten best candidates are left out",
        "normalisation",
        "tempered-gradient",
    ),
    mutant(
        on_logits("first-thousand", first_thousand),
        "of a large catalogue the first thousand candidates count",
        "candidate-order",
    ),
    mutant(
        on_states("layers-as-text", as_text, LossTraits(paired=True)),
        "the student's layers are sorted as text",
        "equal-layers",
    ),
    mutant(on_logits("in-doubles", in_doubles), "torch's default type is changed", "inputs-untouched"),
    mutant(
        on_logits("whole-chunks", whole_chunks, FORWARD),
        "of a batch of more than 1,024 positions the last chunk is lost",
        "many-positions",
    ),
    mutant(
        on_states("half-count", layer_distance, prepare=kept_layers, count=half_count),
        "the terms are counted in half precision",
        "many-positions",
    ),
    mutant(
        tempered("rounded-temperature", rounded, FORWARD),
        "temperatures are rounded to whole numbers",
        "divided-logits",
        "tempered-gradient",
    ),
    mutant(
        tempered("multiplied-logits", multiplied, LossTraits(distribution=True, symmetric=True, upper=1.0)),
        "logits are multiplied by the temperature",
        "divided-logits",
    ),
    mutant(
        on_logits("root-of-the-squares", root_of_the_squares),
        "the gradient of a root is NaN where teacher and student agree",
        "finite-at-agreement",
        "huge-logits",
    ),
    mutant(
        on_logits("angle", angle),
        "the gradient of an arc cosine is NaN where teacher and student agree",
        "finite-at-agreement",
        "ruled-out-candidates",
    ),
    mutant(
        loss("all-in-use", lambda _: Plain(call=all_in_use)),
        "states that it does not need are multiplied by 0, which NaN survives",
        "unneeded-outputs",
    ),
    mutant(
        loss("second-branch", second_branch, config=Distance),
        "padding is counted with one of two distances, which is not the default",
        "masked-states",
        "padding-alone",
    ),
    mutant(
        loss(
            "half-life", lambda _: Plain(call=labels_alone, needs=frozenset({Output.STUDENT_LOGITS})), config=HalfLife
        ),
        "a setting is converted each time that it is read, which its default does not show",
        "settings",
    ),
)
