"""Correct losses: the built-ins, and some in other styles."""

import math

import attrs
import torch
from torch import nn
from torch.nn import functional as F

from mutants.losses.plain import (
    LOGITS,
    STATES,
    Plain,
    Tempered,
    jensen_shannon,
    kl,
    loss,
    nothing_to_prepare,
    on_states,
    positions,
    tokens,
    wide,
)
from mutants.mutant import Subject
from shortstack.contracts import LossTraits, Output
from shortstack.errors import UnsupportedModelError


class ReverseKL(nn.Module):
    """``T² KL(q ‖ p)``: an nn.Module that is called through ``forward``."""

    needs = LOGITS

    def __init__(self, temperature):
        """Store the temperature."""
        super().__init__()
        self.temperature = temperature

    def prepare(self, teacher, student, selection):
        """Prepare nothing: the loss has no parameters."""

    def count(self, batch):
        """Return the number of supervised positions."""
        return torch.tensor(batch.labels.shape[0])

    def forward(self, student, teacher, batch, module):
        """Return the reverse divergence from its two entropy terms."""
        log_q = F.log_softmax(wide(student.logits) / self.temperature, dim=1)
        log_p = F.log_softmax(wide(teacher.logits).detach() / self.temperature, dim=1)
        terms = torch.where(log_q.isneginf(), 0.0, log_q.exp() * torch.where(log_q.isneginf(), 0.0, log_q - log_p))
        return self.temperature**2 * terms.sum()


def half_and_half(student, teacher, batch, module):
    """Return the Jensen–Shannon divergence, by a plain function."""
    log_p, log_q = (wide(x).log_softmax(-1) for x in (teacher.logits.detach(), student.logits))
    return jensen_shannon(log_p, log_q).sum()


class TotalVariation:
    """Total variation, always in float32; a class of properties and static methods."""

    @property
    def needs(self):
        """Outputs that the loss needs, as a new set each time."""
        return frozenset(LOGITS)

    prepare = staticmethod(nothing_to_prepare)

    @staticmethod
    def count(batch):
        """Return the number of supervised positions."""
        return (batch.labels >= 0).sum()

    @torch.autocast("cpu", enabled=False)
    def __call__(self, student, teacher, batch, module):
        """Return the sum, computed row by row."""
        total = 0.0 * student.logits.float().nan_to_num(neginf=0.0).sum()
        for ours, theirs in zip(student.logits, teacher.logits, strict=True):
            total = total + (ours.float().softmax(-1) - theirs.float().softmax(-1).detach()).abs().sum() / 2
        return total


@attrs.define
class Correlation:
    """``1 − ρ`` of the two softmaxes, ``ρ`` Pearson's correlation."""

    temperature: float
    needs = LOGITS

    def prepare(self, teacher, student, selection):
        """Prepare nothing: the loss has no parameters."""
        return

    def count(self, batch):
        """Return the number of supervised positions."""
        return batch.labels.new_ones(batch.labels.shape).sum()

    def __call__(self, student, teacher, batch, module):
        """Return the sum; a small constant keeps constant rows from dividing by 0."""
        centred = []
        for logits in (wide(student.logits), wide(teacher.logits).detach()):
            probabilities = (logits / self.temperature).softmax(-1)
            centred.append(probabilities - probabilities.mean(-1, keepdim=True))
        ours, theirs = centred
        lengths = (ours.square().sum(-1) + 1e-12).sqrt() * (theirs.square().sum(-1) + 1e-12).sqrt()
        return (1 - (ours * theirs).sum(-1) / lengths).sum()


def logit_distance(student, teacher, batch, module):
    """Return the squared error of the logits, where both are finite (Ba & Caruana)."""
    ours, theirs = wide(student.logits), wide(teacher.logits.detach())
    both = ours.isfinite() & theirs.isfinite()
    return (ours.masked_fill(~both, 0.0) - theirs.masked_fill(~both, 0.0)).square().sum()


def with_a_tail(student, teacher, batch, module):
    """Return the KL divergence over the teacher's three best candidates, with all others merged into one."""

    def bucketed(log, best):
        rest = torch.ones_like(log, dtype=torch.bool).scatter(-1, best, value=False)
        tail = log.masked_fill(~rest, -1e4).clamp_min(-1e4).logsumexp(-1, keepdim=True)
        return torch.cat([log.gather(-1, best), tail], -1)

    log_p, log_q = (wide(x).log_softmax(-1) for x in (teacher.logits.detach(), student.logits))
    best = log_p.topk(min(3, log_p.shape[-1])).indices
    return kl(bucketed(log_p, best), bucketed(log_q, best)).sum()


def similarities(ours, theirs, batch, module):
    """Return the squared differences of token similarities between teacher and student, over all pairs of the batch."""
    total = torch.zeros(())
    for j, origin in enumerate(module):
        s, t = (F.normalize(x[batch.mask], dim=-1) for x in (ours[j], theirs[origin.layer]))
        total = total + (s @ s.T - t @ t.T).square().sum()
    return total / max(1, int(batch.mask.sum()))


class FitNet:
    """Romero's hints (FitNets): a learned map even between equal widths, and a learned precision."""

    needs = STATES
    count = staticmethod(tokens)

    def prepare(self, teacher, student, selection):
        """Return a map with a bias, for the last layer alone."""
        self.hint = selection.kept[-1]
        module = nn.Module()
        module.map = nn.Linear(student.hidden_size, teacher.hidden_size)
        module.log_precision = nn.Parameter(torch.zeros(()))
        return module

    def __call__(self, student, teacher, batch, module):
        """Return the squared error weighted by the learned precision, plus the precision's penalty."""
        ours = wide(module.map(student.states[max(student.states)]))
        theirs = wide(teacher.states[self.hint].detach())
        errors = ((ours - theirs) ** 2).mean(-1) / (theirs.var(-1, correction=0) + 1e-6)
        precision = wide(module.log_precision)
        return ((errors * precision.exp() - precision) * batch.mask).sum()


class SameWidth:
    """Squared error of equally wide states; others are refused."""

    needs = STATES
    count = staticmethod(tokens)

    def prepare(self, teacher, student, selection):
        """Store the pairs of layers here: they are no state."""
        if student.hidden_size != teacher.hidden_size:
            raise UnsupportedModelError(f"widths {student.hidden_size} and {teacher.hidden_size}")
        self.pairs = list(enumerate(selection.kept))

    def __call__(self, student, teacher, batch, module):
        """Return the squared error over all pairs of layers."""
        gaps = [wide(student.states[ours]) - wide(teacher.states[theirs].detach()) for ours, theirs in self.pairs]
        return torch.stack(gaps).square().mean((0, -1))[batch.mask].sum()


class Centred:
    """Cross-entropy with the teacher's centred distribution; the centre is a buffer that moves in training."""

    needs = LOGITS
    count = staticmethod(positions)

    def prepare(self, teacher, student, selection):
        """Return a module that holds the centre, for any number of candidates."""
        module = nn.Module()
        module.register_buffer("centre", torch.zeros(()))
        return module

    def __call__(self, student, teacher, batch, module):
        """Return the cross-entropy as in DINO, with one centre for all candidates."""
        theirs = wide(teacher.logits.detach())
        if module.training and len(theirs):
            module.centre.lerp_(theirs.mean().to(module.centre.dtype), 0.1)
        sharp = ((theirs - module.centre) * (1 + module.centre.abs())).softmax(-1)
        log_q = wide(student.logits).log_softmax(-1)
        return -(sharp * log_q.masked_fill(log_q == -math.inf, 0.0)).sum()


def hinge(student, teacher, batch, module):
    """Return a margin loss that needs no teacher: the right candidate must lead by 1."""
    logits = wide(student.logits)
    lead = logits.gather(-1, batch.labels[:, None]) - logits
    return F.relu(1 - lead).scatter(-1, batch.labels[:, None], 0.0).masked_fill(lead == math.inf, 0.0).sum()


def built(name, settings=None):
    """Return a built-in loss as a subject."""
    return Subject(component=name, kind="loss", settings=settings or {})


def correct(*given, **more):
    """Return a correct loss as a subject."""
    return Subject(component=loss(*given, **more), kind="loss")


CORRECT = (
    built("labels"),
    *(built("soft-targets", {"temperature": t}) for t in (0.5, 1.0, 2.0, 10.0)),
    *(built("reverse-kl", {"temperature": t}) for t in (1.0, 4.0)),
    *(
        built("skew-kl", {"direction": direction, "alpha": a})
        for direction in ("forward", "reverse")
        for a in (0.0, 0.1)
    ),
    *(built("jensen-shannon", {"beta": beta}) for beta in (0.1, 0.5, 0.9)),
    built("logits-mse"),
    built("ranking"),
    built("ranking", {"k": 3, "decay": 2.0}),
    built("hidden-states"),
    built("hidden-states", {"distance": "mse"}),
    built("attention-relations"),
    built("attention-relations", {"layers": "kept", "relations": ["queries-keys", "values"], "heads": 1}),
    built("hidden-states", {"norm": 0.1, "blocks": 1, "tokens": "last"}),
    built("contrastive"),
    correct(
        "module-reverse-kl",
        lambda given: ReverseKL(given.temperature),
        traits=LossTraits(distribution=True),
        config=Tempered,
    ),
    correct(
        "half-and-half",
        lambda _: Plain(call=half_and_half),
        traits=LossTraits(distribution=True, symmetric=True, upper=math.log(2)),
    ),
    correct(
        "total-variation",
        lambda _: TotalVariation(),
        traits=LossTraits(distribution=True, symmetric=True, upper=1.0),
    ),
    correct(
        "correlation",
        lambda given: Correlation(given.temperature),
        traits=LossTraits(symmetric=True, upper=2.0),
        config=Tempered,
    ),
    correct("logit-distance", lambda _: Plain(call=logit_distance), traits=LossTraits(symmetric=True, degree=2)),
    correct("with-a-tail", lambda _: Plain(call=with_a_tail), traits=LossTraits(distribution=True)),
    Subject(
        component=on_states("similarities", similarities, LossTraits(additive=False, degree=0, paired=True)),
        kind="loss",
    ),
    correct("fit-net", lambda _: FitNet()),
    correct("same-width", lambda _: SameWidth(), traits=LossTraits(paired=True, symmetric=True, degree=2)),
    correct("centred", lambda _: Centred(), traits=LossTraits(additive=False)),
    correct("hinge", lambda _: Plain(call=hinge, needs=frozenset({Output.STUDENT_LOGITS}))),
)
