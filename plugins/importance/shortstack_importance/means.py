"""A mean for each layer, as a fold: what most scorers keep between batches."""

from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import DecoderLayers, Importance
from shortstack.errors import EmptyDataError

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class LayerMeans:
    """Sums and counts; never changed in place.

    Attributes:
        sums: float64 ``(layers,)``.
        counts: int64 ``(layers,)``: how many terms each sum has.
        examples: int64 ``(layers,)``: how many examples they come from.
    """

    sums: "Tensor"
    counts: "Tensor"
    examples: "Tensor"


def nothing_yet(model: DecoderLayers) -> LayerMeans:
    """No terms: the unit of ``merged``."""
    import torch

    layers = len(model.layers)
    zeros = torch.zeros(layers, dtype=torch.long)
    return LayerMeans(sums=zeros.double(), counts=zeros, examples=zeros)


def with_terms(state: LayerMeans, layer: int, total: "Tensor", count: "Tensor", examples: "Tensor") -> LayerMeans:
    """The state after some more terms of one layer.

    Args:
        state: The state before.
        layer: Which layer.
        total: Scalar: the sum of the terms.
        count: Integer scalar: how many terms.
        examples: Integer scalar: how many examples they come from.
    """
    return LayerMeans(
        sums=_raised(state.sums, layer, total),
        counts=_raised(state.counts, layer, count),
        examples=_raised(state.examples, layer, examples),
    )


def merged(left: LayerMeans, right: LayerMeans) -> LayerMeans:
    """The state after the terms of both."""
    return LayerMeans(
        sums=left.sums + right.sums.to(left.sums.device),
        counts=left.counts + right.counts.to(left.counts.device),
        examples=left.examples + right.examples.to(left.examples.device),
    )


def means(state: LayerMeans, terms: str) -> Importance:
    """The mean of each layer.

    Args:
        state: After all data.
        terms: What was to be averaged, for the error message.

    Raises:
        EmptyDataError: A layer has no terms.
    """
    if not bool(state.counts.all()):
        raise EmptyDataError(f"the calibration examples have no {terms}, so there is nothing to average; give more")
    return Importance(scores=(state.sums / state.counts).cpu(), examples=int(state.examples.max()))


def _raised(values: "Tensor", layer: int, by: "Tensor") -> "Tensor":
    # the state lives where the signals are, so that a sweep on a GPU does not wait at every layer
    raised = values.to(by.device, copy=True)
    raised[layer] += by.to(raised.dtype)
    return raised
