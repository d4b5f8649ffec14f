"""Norm ratio: the norm of a layer's contribution relative to that of its output."""

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms

DESCRIPTOR = ScorerDescriptor(
    name="norm-ratio",
    summary="How large the layer's contribution is beside the hidden state it hands on.",
    build=lambda _settings: MeanScorer(needs=frozenset({Signal.STATES}), terms=terms, over="tokens"),
    traits=ScorerTraits(
        lower=0.0, averages_over="tokens", needs_labels=False, identity_is_zero=True, function_only=True
    ),
    reference="Samragh et al. 2023, arXiv 2312.09299",
)


def terms(signals: LayerSignals) -> Terms:
    """Return ``‖h_out − h_in‖ / ‖h_out‖`` over all tokens that are not padding; 0 for a token that stays zero."""
    import torch

    change = torch.linalg.vector_norm(signals.output - signals.input, dim=-1)
    size = torch.linalg.vector_norm(signals.output, dim=-1)
    ratios = (change / size).masked_fill(change == 0, 0)[signals.mask]
    examples = signals.mask.any(-1).sum()
    return Terms(total=ratios.double().sum(), count=signals.mask.sum(), examples=examples)
