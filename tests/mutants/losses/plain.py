"""Losses made of plain functions."""

from collections.abc import Callable

import attrs

from shortstack.contracts import LossDescriptor, LossTraits, NoSettings, Output

LOGITS = frozenset({Output.STUDENT_LOGITS, Output.TEACHER_LOGITS})
STATES = frozenset({Output.STUDENT_STATES, Output.TEACHER_STATES})
ATTENTION = frozenset({Output.STUDENT_ATTENTION, Output.TEACHER_ATTENTION})


@attrs.frozen(kw_only=True)
class Tempered:
    """The one setting that many losses have."""

    temperature: float = 2.0


def positions(batch):
    """Return one term per supervised position."""
    return batch.labels.new_tensor(len(batch.labels))


def tokens(batch):
    """Return one term per token that is no padding."""
    return batch.mask.sum()


def nothing_to_prepare(teacher, student, selection):
    """Prepare nothing: the loss has no parameters."""


def kept_layers(teacher, student, selection):
    """Return the teacher layer of each student layer, in a module without parameters."""
    from torch import nn

    return nn.ModuleList([_Origin(layer) for layer in selection.kept])


def _Origin(layer):  # noqa: N802 -- it makes a module
    from torch import nn

    origin = nn.Identity()
    origin.layer = layer
    return origin


@attrs.frozen(kw_only=True, eq=False)
class Plain:
    """A loss made of functions.

    Attributes:
        call: ``(student, teacher, batch, module)`` to the sum.
        needs: Outputs that it declares.
        prepare: Makes its module.
        count: Counts terms.
    """

    call: Callable
    needs: frozenset = LOGITS
    prepare: Callable = nothing_to_prepare
    count: Callable = positions

    def __call__(self, student, teacher, batch, module):
        """Call the function."""
        return self.call(student, teacher, batch, module)


def loss(name, build, *, traits=None, config=NoSettings):
    """Build a descriptor of a loss."""
    return LossDescriptor(
        name=name, summary="Made for a test.", build=build, config=config, traits=traits or LossTraits()
    )


def on_logits(name, function, traits=None, **parts):
    """Build a loss from a function ``(student, teacher)`` of the logits, in float32 or wider, the teacher detached."""

    def call(student, teacher, batch, module):
        return function(wide(student.logits), wide(teacher.logits.detach()))

    return loss(name, lambda _: Plain(call=call, **parts), traits=traits)


def tempered(name, function, traits):
    """Build a loss from a function ``(student, teacher, temperature)`` of the logits."""

    def build(settings):
        def call(student, teacher, batch, module):
            return function(wide(student.logits), wide(teacher.logits.detach()), settings.temperature)

        return Plain(call=call)

    return loss(name, build, traits=traits, config=Tempered)


def on_states(name, function, traits=None, *, prepare=kept_layers, count=tokens):
    """Build a loss from a function ``(student's states, teacher's, batch, module)`` of layers, the teacher detached."""

    def call(student, teacher, batch, module):
        ours = {layer: wide(state) for layer, state in student.states.items()}
        theirs = {layer: wide(state.detach()) for layer, state in teacher.states.items()}
        return function(ours, theirs, batch, module)

    return loss(name, lambda _: Plain(call=call, needs=STATES, prepare=prepare, count=count), traits=traits)


def on_attention(name, function, traits=None, *, detached=True):
    """Build a loss from a function ``(student's values, teacher's, mask)`` of the last layers of both."""

    def call(student, teacher, batch, module):
        ours, theirs = (outputs.attention[max(outputs.attention)].values for outputs in (student, teacher))
        return function(ours, theirs.detach() if detached else theirs, batch.mask)

    return loss(name, lambda _: Plain(call=call, needs=ATTENTION, count=tokens), traits=traits)


def wide(tensor):
    """Cast to float32, or leave a wider dtype."""
    import torch

    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def kl(log_p, log_q):
    """Return ``p (log p − log q)`` of each candidate, 0 where ``p`` is."""
    import torch

    return log_p.exp() * (log_p - log_q).masked_fill(log_p == -torch.inf, 0.0)


def jensen_shannon(log_p, log_q):
    """Return ``½ KL(p ‖ m) + ½ KL(q ‖ m)`` of each candidate, 0 where neither has any probability."""
    import math

    import torch

    nowhere = (log_p == -torch.inf) & (log_q == -torch.inf)
    # filled before the mixture is taken: its derivative would be NaN even where it is masked afterwards
    log_p, log_q = (log.masked_fill(nowhere, -100.0) for log in (log_p, log_q))
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (kl(log_p, log_m) + kl(log_q, log_m)).masked_fill(nowhere, 0.0) / 2
