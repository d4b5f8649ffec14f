"""Correct scorers: the built-ins, and some in other styles."""

from typing import NamedTuple

import attrs
import torch

from mutants.mutant import Subject
from mutants.scorers.outside import of_weights, size
from mutants.scorers.plain import OF_GRADIENTS, SIZES, mean, over_gradients, scorer, squares, total
from shortstack.contracts import Importance, ScorerDescriptor, ScorerTraits, Signal
from shortstack.errors import EmptyDataError


class Growing(NamedTuple):
    """A state of plain numbers in a named tuple."""

    growth: dict
    tokens: dict
    examples: int


class Growth:
    """Growth of the states' norm through a layer: plain Python, no tensors in the state."""

    needs = frozenset({Signal.STATES})

    def start(self, model):
        """Return zeros."""
        return Growing(dict.fromkeys(range(len(model.layers)), 0.0), dict.fromkeys(range(len(model.layers)), 0), 0)

    def update(self, state, signals):
        """Return new dictionaries each time."""
        longer = (signals.output.double().norm(dim=-1) - signals.input.double().norm(dim=-1))[signals.mask]
        return Growing(
            {**state.growth, signals.layer: state.growth[signals.layer] + longer.sum().item()},
            {**state.tokens, signals.layer: state.tokens[signals.layer] + len(longer)},
            state.examples + int(signals.mask.any(-1).sum()) * (signals.layer == 0),
        )

    def merge(self, left, right):
        """Return the sums of both."""
        growth, tokens = (
            {layer: value + theirs[layer] for layer, value in ours.items()}
            for ours, theirs in ((left.growth, right.growth), (left.tokens, right.tokens))
        )
        return Growing(growth, tokens, left.examples + right.examples)

    def finish(self, state):
        """Return the means."""
        if not state.examples:
            raise EmptyDataError("nothing seen")
        scores = [state.growth[layer] / state.tokens[layer] for layer in sorted(state.growth)]
        return Importance(scores=torch.tensor(scores, dtype=torch.float64), examples=state.examples)


class WithNeighbour:
    """Increase of the loss without a layer and the one above it: a probe."""

    def measure(self, probe):
        """Skip two layers at a time."""
        whole = probe.log_probability().mean()
        pairs = [(layer, layer + 1) if layer + 1 < probe.layers else (layer,) for layer in range(probe.layers)]
        return Importance(
            scores=torch.stack([whole - probe.log_probability(skip=pair).mean() for pair in pairs]),
            examples=probe.examples,
        )


@attrs.frozen(kw_only=True)
class BlendSettings:
    """Shares of two scorers."""

    states: float = 1.0
    weights: float = 0.5


class Blend:
    """A weighted sum of two built-ins: a derived scorer that does not rank."""

    needs_scores = ("shortstack/block-influence", "shortstack/magnitude")

    def __init__(self, settings):
        """Store the shares."""
        self.shares = settings.states, settings.weights

    def combine(self, scores, probe):
        """Return the weighted sum."""
        parts = [share * scores[name].scores for share, name in zip(self.shares, self.needs_scores, strict=True)]
        return Importance(scores=torch.stack(parts).sum(0), examples=scores[self.needs_scores[0]].examples)


BLEND = ScorerDescriptor(
    name="blend",
    summary="Made for a test.",
    config=BlendSettings,
    build=Blend,
    traits=ScorerTraits(lower=0.0, averages_over="tokens", needs_labels=False),
)
BUILT_IN = (
    ("fisher", {}),
    ("gradient", {}),
    ("taylor", {}),
    ("attention", {}),
    ("attention", {"sink": "keep"}),
    ("block-influence", {}),
    ("angular", {}),
    ("norm-ratio", {}),
    ("magnitude", {}),
    ("drop-loss", {}),
    ("drop-loss", {"pairs": True}),
    ("hybrid", {}),
    ("hybrid", {"weights": {"taylor": 1.0, "angular": 2.0}, "fusion": "min-max"}),
    ("hybrid", {"weights": {"drop-loss": 1.0, "norm-ratio": 1.0}, "fusion": "z"}),
    ("fitted-hybrid", {}),
    ("fitted-hybrid", {"scorers": ["taylor", "angular", "drop-loss"], "fusion": "z"}),
)
OTHERS = (
    mean("mean-movement"),
    mean("mean-movement-in-float32", dtype=torch.float32, finished=lambda state: total(state.double())),
    over_gradients("mean-effect", traits=attrs.evolve(OF_GRADIENTS, objective_power=1, identity_is_zero=True)),
    over_gradients("mean-squares", terms=squares, needs=SIZES, traits=attrs.evolve(OF_GRADIENTS, objective_power=2)),
    of_weights("size", size),
    scorer("growth", Growth, ScorerTraits(averages_over="tokens", needs_labels=False, identity_is_zero=True)),
    scorer("with-neighbour", WithNeighbour, ScorerTraits(function_only=True, objective_power=1, local=False)),
    BLEND,
)
CORRECT = (
    *(Subject(kind="scorer", component=name, settings=settings) for name, settings in BUILT_IN),
    *(Subject(kind="scorer", component=component) for component in OTHERS),
)
