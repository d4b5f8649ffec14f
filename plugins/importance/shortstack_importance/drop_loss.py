"""Drop loss: the rise of the loss when a layer is left out; the oracle that cheap scorers are compared with."""

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Importance, Probe, ScorerDescriptor, ScorerTraits

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class DropLossSettings:
    """Settings of ``drop-loss``.

    Attributes:
        pairs: Also leave out every pair of layers, and record as the detail ``"i+j"`` the rise of the loss beyond the
            sum of both: above 0 where one layer makes up for the other. Takes about ``L²/6`` more forward passes.
    """

    pairs: bool = False


@attrs.frozen(kw_only=True)
class DropLoss:
    """``L(model without the layer) − L(model)``, ``L`` the mean over examples of ``−ℓ_n``; may be negative.

    Layers are left out first to last, so that a probe that caches a layer's input need not run the layers below.
    """

    pairs: bool = False

    def measure(self, probe: Probe) -> Importance:
        """See ``ProbeScorer``."""
        import torch

        whole = probe.log_probability().mean()
        drops = [whole - probe.log_probability(skip=(layer,)).mean() for layer in range(probe.layers)]
        details = self._interactions(probe, whole, drops) if self.pairs else {}
        return Importance(scores=torch.stack(drops), examples=probe.examples, details=details)

    def _interactions(self, probe: Probe, whole: "Tensor", drops: "list[Tensor]") -> Mapping[str, float]:
        """Return ``(L without i and j − L) − (L without i − L) − (L without j − L)`` for each pair."""
        return {
            f"{i}+{j}": float(whole - probe.log_probability(skip=(i, j)).mean() - drops[i] - drops[j])
            for i, j in combinations(range(probe.layers), 2)
        }


def build(settings: DropLossSettings) -> DropLoss:
    """Build the scorer."""
    return DropLoss(pairs=settings.pairs)


DESCRIPTOR = ScorerDescriptor(
    name="drop-loss",
    summary="How much the loss rises when the layer is left out: the oracle, about half as many forwards as layers.",
    config=DropLossSettings,
    build=build,
    traits=ScorerTraits(identity_is_zero=True, function_only=True, objective_power=1),
    reference="Kim et al. 2024, arXiv 2402.02834",
)
