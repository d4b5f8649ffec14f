"""Taylor: the first-order estimate of the change of the log-probability when a layer is removed."""

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms

DESCRIPTOR = ScorerDescriptor(
    name="taylor",
    summary="First-order effect of removing the layer on the log-probability, example by example.",
    build=lambda _settings: MeanScorer(needs=frozenset({Signal.STATES, Signal.GRADIENTS}), terms=terms, over="labels"),
    traits=ScorerTraits(lower=0.0, identity_is_zero=True, function_only=True, objective_power=1),
    reference="Molchanov et al. 2017, arXiv 1611.06440",
)


def terms(signals: LayerSignals) -> Terms:
    """Return ``(1/N) Σ_n |Σ_t ⟨∂ℓ_n/∂h_out, h_out − h_in⟩|``: the layer is removed by a gate on its residual branch.

    The absolute value is taken per example, so that examples do not cancel.
    """
    change = signals.output - signals.input
    effect = (signals.gradient * change).sum(-1).double().masked_fill(~signals.mask, 0).sum(-1)
    examples = signals.supervised.sum()
    total = effect[signals.supervised].abs().sum()
    return Terms(total=total, count=examples, examples=examples)
