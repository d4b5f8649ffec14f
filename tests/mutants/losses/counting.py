"""Losses whose value is no sum over terms, or whose count is wrong."""

import torch
from torch.nn import functional as F

from mutants.losses.divergences import mutant, plain
from mutants.losses.plain import LOGITS, Plain, loss, on_logits, on_states, wide
from shortstack.contracts import Output


def cross_entropy(student, batch, reduction="sum"):
    """Return the cross-entropy of the labels."""
    return F.cross_entropy(wide(student.logits), batch.labels, reduction=reduction)


def mean(student, teacher, batch, module):
    """Return a mean, 0 for no positions."""
    return cross_entropy(student, batch) / max(1, len(batch.labels))


def mean_times_count(student, teacher, batch, module):
    """Return the mean times the count, which is NaN for no positions."""
    return cross_entropy(student, batch, "mean") * len(batch.labels)


def in_a_list(student, teacher, batch, module):
    """Return one number, but not a scalar."""
    return cross_entropy(student, batch)[None]


def half_sum(student, teacher, batch, module):
    """Return a sum accumulated in the dtype of the logits."""
    total = F.cross_entropy(student.logits, batch.labels, reduction="sum")
    return total.to(torch.promote_types(total.dtype, torch.float32))


def every_token(ours, theirs, batch, module):
    """Return the mean squared error, padding included."""
    return sum((ours[j][..., :4] - theirs[j][..., :4]).square().mean(-1).sum() for j in ours)


def over_the_batch(student, teacher):
    """Return the squared error divided by the mean square of the batch."""
    student, teacher = (x.masked_fill(x == -torch.inf, 0.0) for x in (student, teacher))
    return (student - teacher).square().mean(-1).sum() / teacher.square().mean().clamp_min(0.1).nan_to_num(1.0)


def toll(student, teacher, batch, module):
    """Return the cross-entropy, and a constant for each example of the batch."""
    return cross_entropy(student, batch) + 0.1 * batch.mask.any(-1).sum()


MUTANTS = (
    mutant(
        loss("mean-of-means", lambda _: Plain(call=mean, needs=LOGITS, count=lambda batch: torch.tensor(1))),
        "a mean whose count is always 1",
        "additivity",
        "padding-alone",
        "micro-batches",
        "another-teacher",
        "many-positions",
        "position-chunks",
        pitfall=19,
    ),
    mutant(
        plain("mean-times-count", mean_times_count),
        "a mean of nothing is NaN, and so is 0 times it",
        "padding-alone",
        "nothing-supervised",
        "another-teacher",
        "position-chunks",
    ),
    mutant(
        plain("in-a-list", in_a_list),
        "shape (1,), not a scalar",
        "one-number",
        "micro-batches",
        "resuming",
        "another-teacher",
        "many-positions",
    ),
    mutant(
        plain("half-sum", half_sum),
        "summed in half precision",
        "half-precision",
        "another-teacher",
        "many-positions",
        pitfall=24,
    ),
    mutant(
        on_states("every-token", every_token, count=lambda batch: torch.tensor(batch.mask.numel())),
        "padding is counted",
        "masked-states",
        "more-padding",
        "padding-alone",
        pitfall=5,
    ),
    mutant(
        on_logits("over-the-batch", over_the_batch),
        "divided by what hangs on the whole batch, but said to be additive",
        "additivity",
        "micro-batches",
        "many-positions",
        "position-chunks",
    ),
    mutant(
        loss(
            "toll-per-example",
            lambda _: Plain(
                call=toll, needs=frozenset({Output.STUDENT_LOGITS}), count=lambda batch: batch.mask.any(-1).sum()
            ),
        ),
        "a constant for each example, which every chunk of its positions adds again",
        "position-chunks",
    ),
)
