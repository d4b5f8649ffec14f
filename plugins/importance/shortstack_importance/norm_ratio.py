"""Norm ratio: how large a layer's contribution is beside what it hands on."""

from shortstack.contracts import (
    DecoderLayers,
    Importance,
    LayerSignals,
    NoSettings,
    ScorerDescriptor,
    ScorerTraits,
    Signal,
)
from shortstack_importance.means import LayerMeans, means, merged, nothing_yet, with_terms


class NormRatio:
    """``‖h_out − h_in‖ / ‖h_out‖``, the mean over all tokens that are not padding; 0 for a token that is zero and stays zero."""

    needs = frozenset({Signal.STATES})

    def start(self, model: DecoderLayers) -> LayerMeans:
        """See ``FoldScorer``."""
        return nothing_yet(model)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """See ``FoldScorer``."""
        import torch

        change = torch.linalg.vector_norm(signals.output - signals.input, dim=-1)
        size = torch.linalg.vector_norm(signals.output, dim=-1)
        ratios = (change / size).masked_fill(change == 0, 0)[signals.mask]
        examples = signals.mask.any(-1).sum()
        return with_terms(state, signals.layer, ratios.double().sum(), signals.mask.sum(), examples)

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """See ``FoldScorer``."""
        return merged(left, right)

    def finish(self, state: LayerMeans) -> Importance:
        """See ``FoldScorer``."""
        return means(state, "tokens")


def build(_settings: NoSettings) -> NormRatio:
    """The scorer."""
    return NormRatio()


DESCRIPTOR = ScorerDescriptor(
    name="norm-ratio",
    summary="How large the layer's contribution is beside the hidden state it hands on.",
    build=build,
    traits=ScorerTraits(
        lower=0.0, averages_over="tokens", needs_labels=False, identity_is_zero=True, function_only=True
    ),
    reference="Samragh et al. 2023, arXiv 2312.09299",
)
