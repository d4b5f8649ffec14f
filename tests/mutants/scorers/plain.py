"""A mean over hidden states in plain code, with parameters through which mutants inject their mistakes."""

import attrs
import torch

from mutants.mutant import Mutant
from shortstack.contracts import Importance, ScorerDescriptor, ScorerTraits, Signal
from shortstack.errors import EmptyDataError

STATES = frozenset({Signal.STATES})
GRADIENTS = frozenset({Signal.STATES, Signal.GRADIENTS})
SIZES = frozenset({Signal.PARAMETER_GRADIENTS})

OF_STATES = ScorerTraits(lower=0.0, averages_over="tokens", needs_labels=False, identity_is_zero=True)
OF_GRADIENTS = ScorerTraits(lower=0.0)


def moved(signals):
    """Return ``‖h_out − h_in‖`` of every token that is not padding."""
    return (signals.output - signals.input).double().norm(dim=-1)[signals.mask]


def effect(signals):
    """Return ``|Σ_t ⟨∂ℓ_n/∂h_out, h_out − h_in⟩|`` of every labelled example."""
    return (signals.gradient * (signals.output - signals.input)).double().sum((-1, -2)).abs()[signals.supervised]


def squares(signals):
    """Return ``Σ_w (∂ℓ_n/∂w)²`` of every labelled example."""
    return signals.squared_parameter_gradients[signals.supervised]


def tokens(signals):
    """Count the examples with a token."""
    return int(signals.mask.any(-1).sum())


def labelled(signals):
    """Count the examples with a label."""
    return int(signals.supervised.sum())


def total(state):
    """Return the mean of each layer."""
    sums, counts, examples = state
    if not bool(counts.all()):
        raise EmptyDataError("no terms")
    return Importance(scores=sums / counts, examples=int(examples.max()))


@attrs.frozen(kw_only=True)
class Mean:
    """A fold whose state is three float64 rows: sums, counts, examples."""

    terms: object = moved
    seen: object = tokens
    needs: frozenset = STATES
    start_from: float = 0.0
    dtype: torch.dtype = torch.float64
    merged: object = staticmethod(torch.add)
    finished: object = staticmethod(total)

    def start(self, model):
        """Return a state without terms."""
        return torch.full((3, len(model.layers)), self.start_from, dtype=self.dtype)

    def update(self, state, signals):
        """Add terms of one layer."""
        values, new = self.terms(signals), state.clone()
        new[:, signals.layer] += torch.stack(
            [values.sum().double(), torch.tensor(float(values.numel())), torch.tensor(float(self.seen(signals)))]
        ).to(new)
        return new

    def merge(self, left, right):
        """Add up the terms of both."""
        return self.merged(left, right)

    def finish(self, state):
        """Return the mean of each layer."""
        return self.finished(state)


def scorer(name, built, traits=OF_STATES, **changes):
    """Build a descriptor of a scorer without settings; ``built`` makes the scorer."""
    return ScorerDescriptor(
        name=name, summary="Made for a test.", build=lambda _settings: built(), traits=traits, **changes
    )


def mean(name, traits=OF_STATES, **holes):
    """Build a descriptor of a ``Mean``."""
    return scorer(name, lambda: Mean(**holes), traits)


def over_gradients(name, traits=OF_GRADIENTS, **holes):
    """Build a descriptor of a ``Mean`` over labelled examples."""
    return mean(name, traits, **{"terms": effect, "seen": labelled, "needs": GRADIENTS, **holes})


def wrong(component, sentence, breaks, **more):
    """Build a mutant."""
    return Mutant(component=component, kind="scorer", wrong=sentence, breaks=breaks, **more)
