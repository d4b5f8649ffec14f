"""Fisher information: the sum of squared gradients of the log-probability by a layer's weights."""

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms

DESCRIPTOR = ScorerDescriptor(
    name="fisher",
    summary="Trace of the empirical Fisher information of the layer's weights, example by example.",
    build=lambda _settings: MeanScorer(needs=frozenset({Signal.PARAMETER_GRADIENTS}), terms=terms, over="labels"),
    traits=ScorerTraits(lower=0.0, objective_power=2),
    reference="Kirkpatrick et al. 2017, arXiv 1612.00796; Kunstner et al. 2019, arXiv 1905.12558",
)


def terms(signals: LayerSignals) -> Terms:
    """Return ``(1/N) Σ_n Σ_{w∈layer} (∂ℓ_n/∂w)²``: the trace of the empirical Fisher information.

    Gradients are squared example by example; squaring a batch's mean gradient would give another quantity.
    """
    examples = signals.supervised.sum()
    total = signals.squared_parameter_gradients[signals.supervised].sum()
    return Terms(total=total, count=examples, examples=examples)
