"""Divergences that are none, or that differ from the one they claim to be."""

import math

import torch
from torch.nn import functional as F

from mutants.losses.plain import LOGITS, Plain, jensen_shannon, kl, loss, on_logits, positions, tempered, wide
from mutants.mutant import Mutant
from shortstack.contracts import LossTraits

FORWARD = LossTraits(distribution=True, forward_kl=True)
A_DIVERGENCE = LossTraits(distribution=True)


def log_pair(student, teacher, t=1.0):
    """Return ``log p`` of the teacher and ``log q`` of the student, both at ``T``."""
    return (teacher / t).log_softmax(-1), (student / t).log_softmax(-1)


def without_t_squared(student, teacher, t):
    """Return the tempered KL divergence without the factor ``T²``, so that its gradient fades."""
    return kl(*log_pair(student, teacher, t)).sum()


def teacher_tempered_alone(student, teacher, t):
    """Return the divergence with ``q`` at temperature 1."""
    return t**2 * kl((teacher / t).log_softmax(-1), student.log_softmax(-1)).sum()


def batch_mean(student, teacher, t):
    """Return the divergence as by ``F.kl_div(reduction="batchmean")``."""
    return t**2 * kl(*log_pair(student, teacher, t)).sum() / max(1, len(student))


def vocabulary_mean(student, teacher, t):
    """Return the divergence as by ``F.kl_div(reduction="mean")``, times the positions."""
    return t**2 * kl(*log_pair(student, teacher, t)).sum() / student.shape[-1]


def reverse(student, teacher, t):
    """Return ``T² KL(q ‖ p)``."""
    return t**2 * kl(*reversed(log_pair(student, teacher, t))).sum()


def cross_entropy(student, teacher, t):
    """Return ``−Σ p log q``, which includes the teacher's entropy."""
    log_p, log_q = log_pair(student, teacher, t)
    return -(t**2) * (log_p.exp() * log_q.masked_fill(log_p == -math.inf, 0.0)).sum()


def nan_at_ruled_out(student, teacher):
    """Return the unmasked divergence, which is NaN for excluded candidates: ``0 · (−∞ + ∞)``."""
    log_p, log_q = log_pair(student, teacher)
    return (log_p.exp() * (log_p - log_q)).sum()


def logarithm_of_softmax(student, teacher):
    """Take the logarithm of the softmax: small probabilities become 0, and their logarithms −∞."""
    p, q = teacher.softmax(-1), student.softmax(-1)
    return (p * (p.log() - q.log())).sum()


def top_three(student, teacher):
    """Return the KL divergence over the teacher's three best candidates, as if there were no others."""
    log_p, log_q = log_pair(student, teacher)
    best = log_p.topk(min(3, log_p.shape[-1])).indices
    return kl(log_p.gather(-1, best), log_q.gather(-1, best)).sum()


def squared(student, teacher):
    """Return the squared distance of the logits."""
    return (student - teacher).masked_fill(student == -math.inf, 0.0).square().sum()


def next_position(student, teacher):
    """Compare each student position with the teacher's next one."""
    return jensen_shannon(*log_pair(student, teacher.roll(-1, 0))).sum()


def jensen_shannon_in_half(student, teacher, batch, module):
    """Mix and subtract in the dtype of the logits."""
    log_p, log_q = log_pair(student.logits, teacher.logits.detach())
    return jensen_shannon(log_p, log_q).sum().to(torch.promote_types(log_p.dtype, torch.float32))


def into_the_teacher(student, teacher, batch, module):
    """Let the gradient flow into the teacher."""
    return jensen_shannon(*log_pair(wide(student.logits), wide(teacher.logits))).sum()


def twice_total_variation(student, teacher):
    """Return twice the total variation: the half is missing."""
    return (student.softmax(-1) - teacher.softmax(-1)).abs().sum()


def gap_of_the_norms(student, teacher):
    """Return the cosine distance of the logits, with the student's length detached."""
    student, teacher = (x.masked_fill(x == -math.inf, 0.0) for x in (student, teacher))
    lengths = student.detach().norm(dim=-1) * teacher.norm(dim=-1)
    return (1 - (student * teacher).sum(-1) / lengths).sum()


def plain(name, call, traits=None):
    """Build a loss on logits, which are passed as they are."""
    return loss(name, lambda _: Plain(call=call, needs=LOGITS, count=positions), traits=traits)


def padding_candidate(student, teacher, batch, module):
    """Return a cross-entropy that ignores candidate 0 as if it were padding."""
    return F.cross_entropy(wide(student.logits), batch.labels, ignore_index=0, reduction="sum")


def mutant(component, wrong, *breaks, pitfall=None):
    """Build a mutant."""
    return Mutant(component=component, kind="loss", wrong=wrong, breaks=breaks, pitfall=pitfall)


MUTANTS = (
    mutant(
        tempered("no-t-squared", without_t_squared, FORWARD),
        "the factor T² is missing",
        "tempered-gradient",
        "high-temperature",
        pitfall=18,
    ),
    mutant(
        tempered("teacher-tempered-alone", teacher_tempered_alone, FORWARD),
        "only the teacher is tempered",
        "equal-models",
        "divided-logits",
        "tempered-gradient",
        "high-temperature",
        pitfall=18,
    ),
    mutant(
        tempered("batch-mean", batch_mean, FORWARD),
        "a mean over the positions",
        "additivity",
        "normalisation",
        "tempered-gradient",
        "high-temperature",
        "cross-entropy-gradient",
        "micro-batches",
        "many-positions",
        "position-chunks",
        pitfall=18,
    ),
    mutant(
        tempered("vocabulary-mean", vocabulary_mean, FORWARD),
        "a mean over the candidates",
        "normalisation",
        "tempered-gradient",
        "high-temperature",
        "cross-entropy-gradient",
        "merged-candidates",
        pitfall=18,
    ),
    mutant(
        tempered("reverse-as-forward", reverse, FORWARD),
        "the reverse divergence sold as the forward one",
        "normalisation",
        "tempered-gradient",
        "cross-entropy-gradient",
    ),
    mutant(
        tempered("cross-entropy-as-kl", cross_entropy, FORWARD),
        "the cross-entropy sold as a divergence",
        "equal-models",
        "normalisation",
        "high-temperature",
        pitfall=18,
    ),
    mutant(
        on_logits("nan-at-ruled-out", nan_at_ruled_out, FORWARD),
        "0 times infinity at candidates that both models rule out",
        "ruled-out-candidates",
    ),
    mutant(
        on_logits("logarithm-of-softmax", logarithm_of_softmax, FORWARD),
        "the logarithm of a rounded softmax",
        "huge-logits",
        "ruled-out-candidates",
    ),
    mutant(
        on_logits("top-three", top_three, A_DIVERGENCE),
        "truncated to three candidates without a tail",
        "never-negative",
        "equal-models",
    ),
    mutant(on_logits("squared-logits", squared, A_DIVERGENCE), "logits are no distribution", "shift"),
    mutant(
        on_logits("next-position", next_position, A_DIVERGENCE),
        "the two models' positions are shifted against each other",
        "equal-models",
        "additivity",
        "micro-batches",
        "many-positions",
        "position-chunks",
        pitfall=19,
    ),
    mutant(
        plain("jensen-shannon-in-half", jensen_shannon_in_half, LossTraits(distribution=True, upper=math.log(2))),
        "computed in the type of the logits",
        "never-negative",
        "half-precision",
        "many-positions",
        pitfall=24,
    ),
    mutant(
        plain("into-the-teacher", into_the_teacher, LossTraits(distribution=True, symmetric=True)),
        "the teacher is not detached",
        "teacher-at-peace",
    ),
    mutant(
        on_logits("twice-total-variation", twice_total_variation, LossTraits(distribution=True, upper=1.0)),
        "twice as large as its bound",
        "upper-bound",
    ),
    mutant(
        on_logits("asymmetric", lambda s, t: kl(*log_pair(s, t)).sum(), LossTraits(distribution=True, symmetric=True)),
        "the forward divergence is not symmetric",
        "symmetry",
    ),
    mutant(
        on_logits("of-second-degree", squared, LossTraits(degree=1, symmetric=True)),
        "a square grows with the square",
        "homogeneity",
    ),
    mutant(
        on_logits("detached-length", gap_of_the_norms),
        "a part of the formula is left out of the gradient",
        "numerical-gradient",
    ),
    mutant(
        plain("candidate-0-is-padding", padding_candidate),
        "candidate 0 is taken for padding",
        "candidate-order",
        "another-teacher",
    ),
)
