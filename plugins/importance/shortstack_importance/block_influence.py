"""Block Influence: cosine distance between a layer's input and output hidden states."""

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms
from shortstack_importance.directions import cosine_distance

DESCRIPTOR = ScorerDescriptor(
    name="block-influence",
    summary="How far the layer turns the hidden states, over all tokens.",
    build=lambda _settings: MeanScorer(needs=frozenset({Signal.STATES}), terms=terms, over="tokens"),
    traits=ScorerTraits(
        lower=0.0, upper=2.0, averages_over="tokens", needs_labels=False, identity_is_zero=True, function_only=True
    ),
    reference="Men et al. 2024, arXiv 2403.03853",
)


def terms(signals: LayerSignals) -> Terms:
    """Return ``1 − cos(h_in, h_out)``; the score is its mean over all tokens that are not padding, pooled."""
    distances = cosine_distance(signals.input, signals.output)[signals.mask]
    examples = signals.mask.any(-1).sum()
    return Terms(total=distances.double().sum(), count=signals.mask.sum(), examples=examples)
