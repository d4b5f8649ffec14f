"""Scorers that depend on the caller's settings of the model, on shared process state, or on the rest of the batch."""

from functools import partial

import attrs
import torch

from mutants.scorers.outside import WEIGHTS, of_weights, size
from mutants.scorers.plain import OF_STATES, STATES, Mean, moved, scorer, tokens, total, wrong
from shortstack.contracts import ScorerDescriptor


class FromTheLayerBefore:
    """A fold that measures movement from the previous layer's output, which it keeps in its state."""

    needs = STATES

    def start(self, model):
        """Return a state without terms and without a previous layer."""
        return {"terms": Mean().start(model), "before": None}

    def update(self, state, signals):
        """Add terms; the input is read where there is no previous layer."""
        before = signals.input if signals.layer == 0 or state["before"] is None else state["before"]
        values, terms = (signals.output - before).double().norm(dim=-1)[signals.mask], state["terms"].clone()
        seen = [float(values.sum()), float(values.numel()), float(tokens(signals))]
        terms[:, signals.layer] += torch.tensor(seen, dtype=torch.float64)
        return {"terms": terms, "before": signals.output.clone()}

    def merge(self, left, right):
        """Merge the terms of both."""
        return {"terms": left["terms"] + right["terms"], "before": None}

    def finish(self, state):
        """Return the mean of each layer."""
        return total(state["terms"])


def of_trainable(layer):
    """Return ``Σ|w|`` of the weights that are not frozen."""
    return sum(p.detach().double().abs().sum() for p in layer.parameters() if p.requires_grad)


def of_gradients(layer):
    """Return ``Σ|w|``, or that of the gradients where a training step left some."""
    return sum((p.detach() if p.grad is None else p.grad).double().abs().sum() for p in layer.parameters())


def in_training(layer):
    """Return ``Σ|w|``, doubled in training mode."""
    return size(layer) * (2 if layer.training else 1)


@attrs.frozen
class Sets(Mean):
    """A fold that changes process-wide state when it finishes."""

    set_anew: object = attrs.field(kw_only=True)

    def finish(self, state):
        """Change the process-wide state, and leave it changed."""
        importance = super().finish(state)
        self.set_anew()
        return importance


@attrs.frozen(kw_only=True)
class Most:
    """A setting that is off by default.

    Attributes:
        most: The mean movement of a batch is brought down to it; None leaves it.
    """

    most: float | None = None


def scaled_down(settings):
    """Build a fold that scales terms by the mean of their batch."""

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
