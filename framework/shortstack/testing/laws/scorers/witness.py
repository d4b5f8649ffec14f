"""A scorer that records every signal, to check that scorers measured together do not affect each other's signals."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from shortstack.contracts import DecoderLayers, Importance, LayerSignals, Signal
from shortstack.importance.measure import measured
from shortstack.testing.laws.scorers.measuring import Batches
from shortstack.testing.subject import Subject

WITNESS: Final = "kit/witness"


class Witness:
    """Scorer that sums every signal of each layer over tokens that are not padding; all in ``details``."""

    needs: frozenset[Signal] = frozenset(Signal)

    def start(self, model: DecoderLayers) -> Tensor:
        """Return zeros: one row per layer, one column per signal."""
        return torch.zeros(len(model.layers), 5, dtype=torch.float64)

    def update(self, state: Tensor, signals: LayerSignals) -> Tensor:
        """Add the magnitudes of a layer's signals."""
        real = signals.mask[..., None]
        heads = signals.mask[:, None, :, None] & signals.visible
        sums = (
            signals.input.masked_fill(~real, 0).double().abs().sum(),
            signals.output.masked_fill(~real, 0).double().abs().sum(),
            signals.gradient.masked_fill(~real, 0).double().abs().sum(),
            signals.squared_parameter_gradients.double().sum(),
            signals.attention.masked_fill(~heads, 0).double().square().sum(),
        )
        # states are values: an update must not change the one that it is given
        new = state.clone()
        new[signals.layer] += torch.stack([each.cpu() for each in sums])
        return new

    def merge(self, left: Tensor, right: Tensor) -> Tensor:
        """Add two states."""
        return left + right

    def finish(self, state: Tensor) -> Importance:
        """Return the sums by name; the scores have no meaning."""
        names = ("input", "output", "gradient", "squared parameter gradients", "attention")
        details = {
            f"the {name} of layer {layer}, summed": float(value)
            for layer, row in enumerate(state)
            for name, value in zip(names, row, strict=True)
        }
        return Importance(scores=state.sum(1), examples=1, details=details)


def company(subject: Subject, model: Any, batches: Batches, scorers: Mapping[str, object]) -> dict[str, Importance]:
    """Return the results of several scorers, measured together."""
    return measured(model, batches, scorers, registry=subject.registry, accept=lambda _name, _importance, _layers: None)
