"""Angular distance: the angle by which a layer turns the last token's hidden state."""

import math

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms
from shortstack_importance.directions import angle, last_visible

DESCRIPTOR = ScorerDescriptor(
    name="angular",
    summary="The angle by which the layer turns the last token's hidden state, as a share of π.",
    build=lambda _settings: MeanScorer(needs=frozenset({Signal.STATES}), terms=terms, over="tokens"),
    traits=ScorerTraits(lower=0.0, upper=1.0, needs_labels=False, identity_is_zero=True, function_only=True),
    reference="Gromov et al. 2024, arXiv 2403.17887",
)


def terms(signals: LayerSignals) -> Terms:
    """Return ``arccos(cos(h_in, h_out)) / π`` at the last token that is not padding; the score is its mean over examples."""
    rows = signals.mask.any(-1).nonzero()[:, 0]  # an example of padding alone has no last token
    last = last_visible(signals.mask)[rows]
    turned = angle(signals.input[rows, last], signals.output[rows, last]).double() / math.pi
    examples = signals.mask.any(-1).sum()
    return Terms(total=turned.clamp(0, 1).sum(), count=examples, examples=examples)
