"""Fisher information: how sharply the log-probability bends with a layer's weights."""

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


class Fisher:
    """``(1/N) Σ_n Σ_{w∈layer} (∂ℓ_n/∂w)²``: the trace of the empirical Fisher information.

    The gradient of each example is squared on its own; the square of a batch's mean gradient is something else.
    """

    needs = frozenset({Signal.PARAMETER_GRADIENTS})

    def start(self, model: DecoderLayers) -> LayerMeans:
        """See ``FoldScorer``."""
        return nothing_yet(model)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """See ``FoldScorer``."""
        examples = signals.supervised.sum()
        total = signals.squared_parameter_gradients[signals.supervised].sum()
        return with_terms(state, signals.layer, total, examples, examples)

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """See ``FoldScorer``."""
        return merged(left, right)

    def finish(self, state: LayerMeans) -> Importance:
        """See ``FoldScorer``."""
        return means(state, "labels")


def build(_settings: NoSettings) -> Fisher:
    """The scorer."""
    return Fisher()


DESCRIPTOR = ScorerDescriptor(
    name="fisher",
    summary="Trace of the empirical Fisher information of the layer's weights, example by example.",
    build=build,
    traits=ScorerTraits(lower=0.0),
    reference="Kirkpatrick et al. 2017, arXiv 1612.00796; Kunstner et al. 2019, arXiv 1905.12558",
)
