"""Magnitude: the sum of a layer's absolute weights; a baseline for other scorers."""

from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import (
    DecoderLayers,
    Importance,
    LayerSignals,
    NoSettings,
    ScorerDescriptor,
    ScorerTraits,
    Signal,
)

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class Sizes:
    """Sums ``Σ|w|`` of the layers, float64 ``(layers,)``, computed before any data is read."""

    sums: "Tensor"


class Magnitude:
    """``Σ_{w∈layer} |w|``, over all parameters of the layer."""

    needs: frozenset[Signal] = frozenset()

    def start(self, model: DecoderLayers) -> Sizes:
        """See ``FoldScorer``."""
        import torch

        sums = [
            sum(float(p.detach().abs().sum(dtype=torch.float64)) for p in layer.parameters()) for layer in model.layers
        ]
        return Sizes(sums=torch.tensor(sums, dtype=torch.float64))

    def update(self, state: Sizes, signals: LayerSignals) -> Sizes:  # noqa: ARG002 -- no data is needed
        """See ``FoldScorer``."""
        return state

    def merge(self, left: Sizes, right: Sizes) -> Sizes:  # noqa: ARG002 -- both are the same weights
        """See ``FoldScorer``."""
        return left

    def finish(self, state: Sizes) -> Importance:
        """See ``FoldScorer``."""
        return Importance(scores=state.sums, examples=0)


def build(_settings: NoSettings) -> Magnitude:
    """Build the scorer."""
    return Magnitude()


DESCRIPTOR = ScorerDescriptor(
    name="magnitude",
    summary="Sum of the absolute values of the layer's weights; a baseline, not a recommendation.",
    build=build,
    traits=ScorerTraits(lower=0.0, averages_over="nothing", needs_labels=False, weight_power=1),
    reference="Han et al. 2015, arXiv 1506.02626",
)
