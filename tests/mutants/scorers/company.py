"""Mistakes with what the model's owner set, with what a process shares, and with what came before in the same batch."""

from functools import partial

import attrs
import torch

from mutants.scorers.outside import WEIGHTS, of_weights, size
from mutants.scorers.plain import OF_STATES, STATES, Mean, moved, scorer, tokens, total, wrong
from shortstack.contracts import ScorerDescriptor


class FromTheLayerBefore:
    """Movement from what the layer before gave, which it keeps in its state."""

    needs = STATES

    def start(self, model):
        """No terms, and no layer before."""
        return {"terms": Mean().start(model), "before": None}

    def update(self, state, signals):
        """The input is read where there is no layer before."""
        before = signals.input if signals.layer == 0 or state["before"] is None else state["before"]
        values, terms = (signals.output - before).double().norm(dim=-1)[signals.mask], state["terms"].clone()
        seen = [float(values.sum()), float(values.numel()), float(tokens(signals))]
        terms[:, signals.layer] += torch.tensor(seen, dtype=torch.float64)
        return {"terms": terms, "before": signals.output.clone()}

    def merge(self, left, right):
        """The terms of both."""
        return {"terms": left["terms"] + right["terms"], "before": None}

    def finish(self, state):
        """The mean of each layer."""
        return total(state["terms"])


def of_trainable(layer):
    """``Σ|w|`` of the weights that are not frozen."""
    return sum(p.detach().double().abs().sum() for p in layer.parameters() if p.requires_grad)


def of_gradients(layer):
    """``Σ|w|``, or that of the gradients where a training step left some."""
    return sum((p.detach() if p.grad is None else p.grad).double().abs().sum() for p in layer.parameters())


def in_training(layer):
    """``Σ|w|``, and more in training mode."""
    return size(layer) * (2 if layer.training else 1)


@attrs.frozen
class Sets(Mean):
    """Sets something that the process shares when it finishes."""

    set_anew: object = attrs.field(kw_only=True)

    def finish(self, state):
        """Whoever comes next finds it."""
        found = super().finish(state)
        self.set_anew()
        return found


@attrs.frozen(kw_only=True)
class Most:
    """A setting that is off by default.

    Attributes:
        most: The mean movement of a batch is brought down to it; None leaves it.
    """

    most: float | None = None


def scaled_down(settings):
    """By the mean of the batch, whatever else is in it."""

    def terms(signals):
        values = moved(signals)
        return values if settings.most is None else values * (settings.most / (settings.most + float(values.mean())))

    return Mean(terms=terms)


MUTANTS = (
    wrong(
        scorer("from-the-layer-before", FromTheLayerBefore),
        "Takes the layer that came before for the one below.",
        breaks={"layers-in-any-order"},
    ),
    wrong(of_weights("of-trainable", of_trainable), "Leaves out frozen weights.", breaks={"flags-count-not"}),
    wrong(
        of_weights("of-gradients", of_gradients, attrs.evolve(WEIGHTS, weight_power=None)),
        "Reads gradients that an earlier step left.",
        breaks={"flags-count-not"},
    ),
    wrong(of_weights("in-training", in_training), "Scores more in training mode.", breaks={"flags-count-not"}),
    wrong(
        scorer("without-gradients", lambda: Sets(set_anew=partial(torch.set_grad_enabled, False))),
        "Turns gradients off for everything that comes after it.",
        breaks={"model-untouched"},
    ),
    wrong(
        scorer("in-doubles", lambda: Sets(set_anew=partial(torch.set_default_dtype, torch.float64))),
        "Changes torch's default type for everything that comes after it.",
        breaks={"model-untouched"},
    ),
    wrong(
        ScorerDescriptor(name="most", summary="Made for a test.", build=scaled_down, config=Most, traits=OF_STATES),
        "Scales by the batch's mean where a setting that is None by default is given.",
        breaks={"batch-size", "example-order", "many-examples", "right-padding", "left-padding"},
    ),
)
