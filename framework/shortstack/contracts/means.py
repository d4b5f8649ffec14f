"""Means per layer as a fold, the state of most scorers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts.scorers import DecoderLayers, Importance, LayerSignals, Signal
from shortstack.errors import EmptyDataError

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class LayerMeans:
    """Sums and counts; never changed in place.

    Attributes:
        sums: float64 ``(layers,)``.
        counts: int64 ``(layers,)``: the number of terms of each sum.
        examples: int64 ``(layers,)``: the number of examples they come from.
    """

    sums: "Tensor"
    counts: "Tensor"
    examples: "Tensor"


@attrs.frozen(kw_only=True, eq=False)
class Terms:
    """Contribution of one layer of one batch to its mean.

    Attributes:
        total: Scalar: the sum of the terms.
        count: Integer scalar: the number of terms.
        examples: Integer scalar: the number of examples they come from.
    """

    total: "Tensor"
    count: "Tensor"
    examples: "Tensor"


@attrs.frozen(kw_only=True, eq=False)
class MeanScorer:
    """Fold scorer that averages terms.

    Attributes:
        needs: The signals that the terms are computed from.
        terms: Computes the terms of one layer of one batch.
        over: Name of the terms averaged over, for the error message.
    """

    needs: frozenset[Signal]
    terms: Callable[[LayerSignals], Terms]
    over: str

    def start(self, model: DecoderLayers) -> LayerMeans:
        """Return the state without terms, the neutral element of ``merge``."""
        import torch

        zeros = torch.zeros(len(model.layers), dtype=torch.long)
        return LayerMeans(sums=zeros.double(), counts=zeros, examples=zeros)

    def update(self, state: LayerMeans, signals: LayerSignals) -> LayerMeans:
        """Return the state after further terms of one layer."""
        new = self.terms(signals)
        return LayerMeans(
            sums=_raised(state.sums, signals.layer, new.total),
            counts=_raised(state.counts, signals.layer, new.count),
            examples=_raised(state.examples, signals.layer, new.examples),
        )

    def merge(self, left: LayerMeans, right: LayerMeans) -> LayerMeans:
        """Return the state with the terms of both."""
        return LayerMeans(
            sums=left.sums + right.sums.to(left.sums.device),
            counts=left.counts + right.counts.to(left.counts.device),
            examples=left.examples + right.examples.to(left.examples.device),
        )

    def finish(self, state: LayerMeans) -> Importance:
        """Return the mean of each layer as its score.

        Raises:
            EmptyDataError: A layer has no terms.
        """
        if not bool(state.counts.all()):
            raise EmptyDataError(
                f"the calibration examples have no {self.over}, so there is nothing to average; give more"
            )
        return Importance(scores=(state.sums / state.counts).cpu(), examples=int(state.examples.max()))


def _raised(values: "Tensor", layer: int, by: "Tensor") -> "Tensor":
    # keep the state on the signals' device, so that a sweep on a GPU does not synchronise at every layer
    raised = values.to(by.device, copy=True)
    raised[layer] += by.to(raised.dtype)
    return raised
