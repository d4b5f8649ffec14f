"""Mistakes in the layer that a score belongs to, and in the number of layers and examples."""

import attrs
import torch

from mutants.scorers.outside import of_weights
from mutants.scorers.plain import OF_GRADIENTS, SIZES, Mean, labelled, mean, scorer, squares, total, wrong
from shortstack.contracts import Importance, ScorerTraits


class OneTooLow(Mean):
    """A fold that counts the embeddings as layer 0."""

    def update(self, state, signals):
        """Add terms to the row below the right one."""
        return super().update(state, _Lower(signals))


class _Lower:
    """Signals of a layer one below."""

    def __init__(self, signals):
        """Wrap the signals."""
        self._signals = signals

    def __getattr__(self, name):
        """Return the wrapped signals' attribute, with ``layer`` lowered by 1."""
        return self._signals.layer - 1 if name == "layer" else getattr(self._signals, name)


class WithoutTheNext:
    """A probe that skips the layer above the one it scores."""

    def measure(self, probe):
        """Skip the next layer; after the last comes the first."""
        whole = probe.log_probability().mean()
        above = [(layer + 1) % probe.layers for layer in range(probe.layers)]
        drops = [whole - probe.log_probability(skip=(layer,)).mean() for layer in above]
        return Importance(scores=torch.stack(drops), examples=probe.examples)


class ByDepth:
    """Fisher information times the depth: a derived scorer."""

    needs_scores = ("shortstack/fisher",)

    def combine(self, scores, _probe):
        """Return the scores, scaled by depth."""
        (importance,) = scores.values()
        depth = torch.arange(1, len(importance.scores) + 1, dtype=torch.float64)
        return attrs.evolve(importance, scores=importance.scores * depth / len(depth))


class ByName(Mean):
    """A fold that sorts its rows by the layers' names as text."""

    def finish(self, state):
        """Return scores sorted as text: ``layers.10`` before ``layers.2``."""
        importance = total(state)
        names = [f"layers.{layer}" for layer in range(len(importance.scores))]
        order = sorted(range(len(names)), key=names.__getitem__)
        return attrs.evolve(importance, scores=importance.scores[order])


class FirstSixteen:
    """A probe that measures the first sixteen examples only."""

    def measure(self, probe):
        """Measure without each layer."""
        few = probe.few(16)
        whole = few.log_probability().mean()
        drops = [whole - few.log_probability(skip=(layer,)).mean() for layer in range(few.layers)]
        return Importance(scores=torch.stack(drops), examples=probe.examples)


class CountsInAByte(Mean):
    """A fold that keeps its counts in eight bits."""

    def update(self, state, signals):
        """Count in eight bits, which overflow after 255."""
        return _in_a_byte(super().update(state, signals))

    def merge(self, left, right):
        """Count in eight bits, which overflow after 255."""
        return _in_a_byte(left + right)


def _in_a_byte(state):
    new = state.clone()
    new[1] %= 256
    return new


def in_eights(layer):
    """Return ``Σ|w|`` over whole blocks of eight rows, as if all sizes were multiples of eight."""
    return sum(p.detach().double().abs()[: len(p) // 8 * 8].sum() for p in layer.parameters())


class LeavesTheWidth(Mean):
    """A fold that keeps the model's width on itself and not in the state, so that a restored state lacks it."""

    width = None

    def start(self, model):
        """Store the width."""
        object.__setattr__(self, "width", next(model.layers[0].parameters()).shape[-1])
        return super().start(model)

    def finish(self, state):
        """Return scores divided by the width."""
        importance = total(state)
        return attrs.evolve(importance, scores=importance.scores / self.width)


def divided_in_place(state):
    """Divide the state's sums in place."""
    importance = total(state)
    state[0] /= state[1]
    return importance


def of_labelled(signals):
    """Return ``‖h_out − h_in‖`` of the tokens of examples that have a label."""
    return (signals.output - signals.input).double().norm(dim=-1)[signals.mask & signals.supervised[:, None]]


class ByLikelihood:
    """A probe that weights examples by their likelihood, which underflows to 0 where the model is certain and wrong."""

    def measure(self, probe):
        """Return a weighted mean of the cost of skipping each layer."""
        whole = probe.log_probability()
        weights = (whole / 4).exp()
        shares = weights / weights.sum()
        drops = [(shares * (whole - probe.log_probability(skip=(layer,)))).sum() for layer in range(probe.layers)]
        return Importance(scores=torch.stack(drops), examples=probe.examples)


def row_by_row(layer):
    """Return ``Σ|w|``, added up row by row in the weights' dtype."""
    magnitude = torch.zeros((), dtype=next(layer.parameters()).dtype)
    for parameter in layer.parameters():
        for row in parameter.detach():
            magnitude = magnitude + row.abs().sum()
    return magnitude


MUTANTS = (
    wrong(
        scorer("one-too-low", lambda: OneTooLow(terms=squares, seen=labelled, needs=SIZES), OF_GRADIENTS),
        "Writes each score one layer too low.",
        breaks={"exchanged-layers", "moved-layer"},
    ),
    wrong(
        scorer("without-the-next", WithoutTheNext, ScorerTraits(function_only=True, objective_power=1)),
        "Leaves out the layer above.",
        breaks={"moved-layer"},
    ),
    wrong(
        scorer("by-depth", ByDepth, ScorerTraits(lower=0.0, objective_power=2)),
        "Counts late layers more, and does not say so.",
        breaks={"exchanged-layers", "moved-layer"},
    ),
    wrong(scorer("by-name", ByName), "Sorts the layers' numbers as text.", breaks={"moved-layer"}),
    wrong(
        scorer("first-sixteen", FirstSixteen, ScorerTraits(function_only=True, identity_is_zero=True)),
        "Measures the first sixteen examples.",
        breaks={"many-examples"},
    ),
    wrong(
        scorer("counts-in-a-byte", CountsInAByte),
        "Keeps its counts in a byte.",
        breaks={"long-sums", "many-examples"},
    ),
    wrong(of_weights("in-eights", in_eights), "Reads rows in blocks of eight, and no rest.", breaks={"neuron-order"}),
    wrong(
        scorer("width-on-itself", LeavesTheWidth),
        "Keeps in itself what belongs in the state.",
        breaks={"finish", "resume"},
    ),
    wrong(
        mean("divides-in-place", finished=divided_in_place),
        "Divides the state's own sums when it finishes.",
        breaks={"finish", "start-is-nothing", "states-are-values"},
    ),
    wrong(
        mean("labelled-only", terms=of_labelled),
        "Reads the examples that have a label, and says that it needs none.",
        breaks={"labels-unused"},
    ),
    wrong(
        scorer("by-likelihood", ByLikelihood, ScorerTraits(function_only=True, identity_is_zero=True)),
        "Weighs examples by a likelihood that underflows.",
        breaks={"finite-where-certain"},
    ),
    wrong(of_weights("row-by-row", row_by_row), "Adds up in the weights' own type.", breaks={"half-precision"}),
)
