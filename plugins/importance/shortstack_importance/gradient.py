"""Gradient norm: how strongly the log-probability pulls at a layer's weights."""

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


class GradientNorm:
    """``(1/N) Σ_n ‖∂ℓ_n/∂θ_layer‖₂``, over the same per-example gradients as ``fisher``; never below 0."""

    needs = frozenset({Signal.PARAMETER_GRADIENTS})

    def start(self, model: DecoderLayers) -> LayerMeans:
        """See ``FoldScorer``."""
        return nothing_yet(model)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """See ``FoldScorer``."""
        examples = signals.supervised.sum()
        total = signals.squared_parameter_gradients[signals.supervised].sqrt().sum()
        return with_terms(state, signals.layer, total, examples, examples)

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """See ``FoldScorer``."""
        return merged(left, right)

    def finish(self, state: LayerMeans) -> Importance:
        """See ``FoldScorer``."""
        return means(state, "labels")


def build(_settings: NoSettings) -> GradientNorm:
    """The scorer."""
    return GradientNorm()


DESCRIPTOR = ScorerDescriptor(
    name="gradient",
    summary="Mean norm of the log-probability's gradient by the layer's weights, example by example.",
    build=build,
    traits=ScorerTraits(lower=0.0),
    reference="Molchanov et al. 2019, arXiv 1906.10771",
)
