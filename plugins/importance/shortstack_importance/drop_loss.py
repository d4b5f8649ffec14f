"""Drop loss: leave the layer out and measure. The oracle that the cheap scorers are judged by."""

from shortstack.contracts import Importance, NoSettings, Probe, ScorerDescriptor, ScorerTraits


class DropLoss:
    """``L(model without the layer) − L(model)``, ``L`` the mean over examples of ``−ℓ_n``; may be negative.

    Layers are left out first to last, so that a probe that remembers what entered a layer need not run those below.
    """

    def measure(self, probe: Probe) -> Importance:
        """See ``ProbeScorer``."""
        import torch

        whole = probe.log_probability().mean()
        without = [probe.log_probability(skip=(layer,)).mean() for layer in range(probe.layers)]
        return Importance(scores=whole - torch.stack(without), examples=probe.examples)


def build(_settings: NoSettings) -> DropLoss:
    """The scorer."""
    return DropLoss()


DESCRIPTOR = ScorerDescriptor(
    name="drop-loss",
    summary="How much the loss rises when the layer is left out: the oracle, about half as many forwards as layers.",
    build=build,
    traits=ScorerTraits(identity_is_zero=True, function_only=True, objective_power=1),
    reference="Kim et al. 2024, arXiv 2402.02834",
)
