"""Block Influence: how far a layer turns the hidden states."""

from shortstack.contracts import (
    DecoderLayers,
    Importance,
    LayerSignals,
    NoSettings,
    ScorerDescriptor,
    ScorerTraits,
    Signal,
)
from shortstack_importance.directions import cosine_distance
from shortstack_importance.means import LayerMeans, means, merged, nothing_yet, with_terms


class BlockInfluence:
    """``1 − cos(h_in, h_out)``, the mean over all tokens that are not padding, pooled."""

    needs = frozenset({Signal.STATES})

    def start(self, model: DecoderLayers) -> LayerMeans:
        """See ``FoldScorer``."""
        return nothing_yet(model)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """See ``FoldScorer``."""
        distances = cosine_distance(signals.input, signals.output)[signals.mask]
        examples = signals.mask.any(-1).sum()
        return with_terms(state, signals.layer, distances.double().sum(), signals.mask.sum(), examples)

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """See ``FoldScorer``."""
        return merged(left, right)

    def finish(self, state: LayerMeans) -> Importance:
        """See ``FoldScorer``."""
        return means(state, "tokens")


def build(_settings: NoSettings) -> BlockInfluence:
    """The scorer."""
    return BlockInfluence()


DESCRIPTOR = ScorerDescriptor(
    name="block-influence",
    summary="How far the layer turns the hidden states, over all tokens.",
    build=build,
    traits=ScorerTraits(
        lower=0.0, upper=2.0, averages_over="tokens", needs_labels=False, identity_is_zero=True, function_only=True
    ),
    reference="Men et al. 2024, arXiv 2403.03853",
)
