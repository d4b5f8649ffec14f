"""Angular distance: the angle by which a layer turns the last token's hidden state."""

import math

from shortstack.contracts import (
    DecoderLayers,
    Importance,
    LayerSignals,
    NoSettings,
    ScorerDescriptor,
    ScorerTraits,
    Signal,
)
from shortstack_importance.directions import angle, last_visible
from shortstack_importance.means import LayerMeans, means, merged, nothing_yet, with_terms


class Angular:
    """``arccos(cos(h_in, h_out)) / π`` at the last token that is not padding, the mean over examples."""

    needs = frozenset({Signal.STATES})

    def start(self, model: DecoderLayers) -> LayerMeans:
        """See ``FoldScorer``."""
        return nothing_yet(model)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """See ``FoldScorer``."""
        rows = signals.mask.any(-1).nonzero()[:, 0]
        last = last_visible(signals.mask)[rows]
        turned = angle(signals.input[rows, last], signals.output[rows, last]).double() / math.pi
        examples = signals.mask.any(-1).sum()
        return with_terms(state, signals.layer, turned.clamp(0, 1).sum(), examples, examples)

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """See ``FoldScorer``."""
        return merged(left, right)

    def finish(self, state: LayerMeans) -> Importance:
        """See ``FoldScorer``."""
        return means(state, "tokens")


def build(_settings: NoSettings) -> Angular:
    """The scorer."""
    return Angular()


DESCRIPTOR = ScorerDescriptor(
    name="angular",
    summary="The angle by which the layer turns the last token's hidden state, as a share of π.",
    build=build,
    traits=ScorerTraits(lower=0.0, upper=1.0, needs_labels=False, identity_is_zero=True, function_only=True),
    reference="Gromov et al. 2024, arXiv 2403.17887",
)
