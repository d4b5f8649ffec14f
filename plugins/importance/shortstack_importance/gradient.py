"""Gradient norm: the norm of the log-probability's gradient by a layer's weights."""

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms

DESCRIPTOR = ScorerDescriptor(
    name="gradient",
    summary="Mean norm of the log-probability's gradient by the layer's weights, example by example.",
    build=lambda _settings: MeanScorer(needs=frozenset({Signal.PARAMETER_GRADIENTS}), terms=terms, over="labels"),
    traits=ScorerTraits(lower=0.0, objective_power=1),
    reference="Molchanov et al. 2019, arXiv 1906.10771",
)


def terms(signals: LayerSignals) -> Terms:
    """Return ``(1/N) Σ_n ‖∂ℓ_n/∂θ_layer‖₂``, over the same per-example gradients as ``fisher``; never below 0."""
    examples = signals.supervised.sum()
    total = signals.squared_parameter_gradients[signals.supervised].sqrt().sum()
    return Terms(total=total, count=examples, examples=examples)
