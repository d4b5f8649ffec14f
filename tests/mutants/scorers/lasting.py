"""Scorers with state beyond one call: caches, the process, the folder, the thread, other scorers."""

import random
from pathlib import Path

import attrs
import torch

from mutants.scorers.outside import WEIGHTS, OfWeights, of_weights, size
from mutants.scorers.plain import mean, scorer, wrong
from shortstack.contracts import Importance, ScorerDescriptor, ScorerTraits

SIZES_BY_IDENTITY = {}
SIZES_BY_CLASS = {}


def remembered(layer):
    """Return ``Σ|w|``, cached by the layer's ``id``."""
    if id(layer) not in SIZES_BY_IDENTITY:
        SIZES_BY_IDENTITY[id(layer)] = layer, size(layer)
    return SIZES_BY_IDENTITY[id(layer)][1]


class ByClass(OfWeights):
    """A fold that caches scores by the layers' class and number."""

    def start(self, model):
        """Return the scores of the first such model."""
        key = type(model.layers[0]), len(model.layers)
        if key not in SIZES_BY_CLASS:
            SIZES_BY_CLASS[key] = super().start(model)
        return SIZES_BY_CLASS[key]


class KeepsBaseline:
    """A probe that measures the whole model once, and reuses the result for every later model."""

    whole = None

    def measure(self, probe):
        """Return drops against the first model's baseline."""
        if self.whole is None:
            self.whole = probe.log_probability().mean()
        drops = [self.whole - probe.log_probability(skip=(layer,)).mean() for layer in range(probe.layers)]
        return Importance(scores=torch.stack(drops), examples=probe.examples)


class OnItself:
    """A probe scorer that stores the probe on itself, which is not thread-safe."""

    def measure(self, probe):
        """Measure one layer after the other."""
        self.probe = probe
        drops = [self.without(layer) for layer in range(probe.layers)]
        return Importance(scores=torch.stack(drops), examples=probe.examples)

    def without(self, layer):
        """Return the cost of skipping a layer."""
        return self.probe.log_probability().mean() - self.probe.log_probability(skip=(layer,)).mean()


def by_hash(layer):
    """Return ``Σ|w|`` with factors from the salted hash of the parameters' names."""
    return sum(p.detach().double().abs().sum() * (1 + hash(name) % 7) for name, p in layer.named_parameters())


def by_folder(layer):
    """Return ``Σ|w|`` with random factors, seeded by the name of the working directory."""
    draw = random.Random(Path.cwd().name)
    return sum(p.detach().double().abs().sum() * draw.random() for p in layer.parameters())


class SharesOfASet:
    """A derived scorer whose shares follow the order of a set, which is salted."""

    needs_scores = tuple(
        {
            "shortstack/angular",
            "shortstack/attention",
            "shortstack/block-influence",
            "shortstack/fisher",
            "shortstack/gradient",
            "shortstack/magnitude",
            "shortstack/norm-ratio",
            "shortstack/taylor",
        }
    )

    def combine(self, scores, probe):
        """Return the weighted sum: share 1 for the first name, 2 for the second, and so on."""
        parts = [share * scores[name].scores for share, name in enumerate(self.needs_scores, 1)]
        return Importance(scores=torch.stack(parts).sum(0), examples=probe.examples)


class AllThere:
    """A derived scorer that adds up all scores it receives, not only those it named."""

    needs_scores = ("shortstack/block-influence", "shortstack/magnitude")

    def combine(self, scores, _probe):
        """Return the sum."""
        summed = torch.stack([importance.scores for importance in scores.values()]).sum(0)
        return Importance(scores=summed, examples=scores[self.needs_scores[0]].examples)


def everything(found, _names):
    """Return all scores that were measured, named or not."""
    return {name: attrs.evolve(importance, scores=importance.scores.clone()) for name, importance in found.items()}


def in_place(signals):
    """Return ``‖h_out − h_in‖``, subtracted in place in a tensor that other scorers read."""
    signals.output.sub_(signals.input)
    return signals.output.double().norm(dim=-1)[signals.mask]


BY_CLASS = scorer("by-class", lambda: ByClass(size), attrs.evolve(WEIGHTS, weight_power=None))
BY_HASH = of_weights("by-hash", by_hash)
BY_FOLDER = of_weights("by-folder", by_folder)
SHARES_OF_A_SET = scorer("shares-of-a-set", SharesOfASet, ScorerTraits(lower=0.0))
ALL_THERE = ScorerDescriptor(
    name="all-there",
    summary="Made for a test.",
    build=lambda _settings: AllThere(),
    traits=ScorerTraits(lower=0.0, averages_over="tokens", needs_labels=False),
)

MUTANTS = (
    wrong(
        of_weights("by-identity", remembered),
        "Keeps sizes by the layer's identity, whatever becomes of its weights.",
        breaks={"other-weights"},
    ),
    wrong(
        BY_CLASS,
        "Keeps scores by the layers' class and number, in the module.",
        breaks={"exchanged-layers", "moved-layer", "other-process"},
    ),
    wrong(
        scorer("keeps-baseline", KeepsBaseline, ScorerTraits(function_only=True)),
        "Measures the whole model once, and compares the next one with it.",
        breaks={"no-memory", "threads"},
    ),
    wrong(
        scorer("probe-on-itself", OnItself, ScorerTraits(function_only=True, identity_is_zero=True, objective_power=1)),
        "Puts the probe on itself, where other threads put theirs.",
        breaks={"threads"},
    ),
    wrong(BY_HASH, "Draws factors by `hash` of a text, which is salted.", breaks={"other-process"}),
    wrong(BY_FOLDER, "Seeds its factors by the working directory.", breaks={"other-process"}),
    wrong(
        SHARES_OF_A_SET,
        "Gives shares by place to the names of a set, whose order is salted.",
        breaks={"other-process"},
    ),
    wrong(
        ALL_THERE,
        "The core hands a derived scorer all scores, not only those that it named.",
        patches={"shortstack.importance.scorers._named": everything},
        breaks={"company-counts-not"},
    ),
    wrong(
        mean("subtracts-in-place", terms=in_place),
        "Subtracts in the tensor that the model and other scorers read.",
        breaks={"company-counts-not", "layers-in-any-order"},
    ),
)
