"""Taylor: the first-order guess of what removing a layer does to the log-probability."""

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


class Taylor:
    """``(1/N) Σ_n |Σ_t ⟨∂ℓ_n/∂h_out, h_out − h_in⟩|``: the layer is taken out by a gate on its residual branch.

    The absolute value is taken of each example, so that examples do not cancel.
    """

    needs = frozenset({Signal.STATES, Signal.GRADIENTS})

    def start(self, model: DecoderLayers) -> LayerMeans:
        """See ``FoldScorer``."""
        return nothing_yet(model)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """See ``FoldScorer``."""
        change = signals.output - signals.input
        effect = (signals.gradient * change).sum(-1).double().masked_fill(~signals.mask, 0).sum(-1)
        examples = signals.supervised.sum()
        total = effect[signals.supervised].abs().sum()
        return with_terms(state, signals.layer, total, examples, examples)

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """See ``FoldScorer``."""
        return merged(left, right)

    def finish(self, state: LayerMeans) -> Importance:
        """See ``FoldScorer``."""
        return means(state, "labels")


def build(_settings: NoSettings) -> Taylor:
    """The scorer."""
    return Taylor()


DESCRIPTOR = ScorerDescriptor(
    name="taylor",
    summary="First-order effect of removing the layer on the log-probability, example by example.",
    build=build,
    traits=ScorerTraits(lower=0.0, identity_is_zero=True, function_only=True),
    reference="Molchanov et al. 2017, arXiv 1611.06440",
)
