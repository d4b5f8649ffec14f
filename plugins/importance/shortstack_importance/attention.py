"""Attention concentration: one minus the normalised entropy of a layer's attention."""

from functools import partial
from typing import TYPE_CHECKING, Literal

import attrs

from shortstack.contracts import LayerSignals, MeanScorer, ScorerDescriptor, ScorerTraits, Signal, Terms

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class AttentionSettings:
    """Settings of ``attention``.

    Attributes:
        sink: ``"drop"`` leaves out the first visible key, the attention sink of idle heads; ``"keep"`` does not.
    """

    sink: Literal["drop", "keep"] = attrs.field(default="drop", validator=attrs.validators.in_(("drop", "keep")))


def build(settings: AttentionSettings) -> MeanScorer:
    """Build the scorer."""
    made = partial(terms, drop_sink=settings.sink == "drop")
    return MeanScorer(needs=frozenset({Signal.ATTENTION}), terms=made, over="queries that see two keys")


DESCRIPTOR = ScorerDescriptor(
    name="attention",
    summary="How concentrated the layer's attention is, the attention sink left out.",
    config=AttentionSettings,
    build=build,
    traits=ScorerTraits(lower=0.0, upper=1.0, averages_over="queries", needs_labels=False),
    reference="entropy of attention: Clark et al. 2019, arXiv 1906.04341; sinks: Xiao et al. 2023, arXiv 2309.17453",
)


def terms(signals: LayerSignals, *, drop_sink: bool) -> Terms:
    """Return ``1 − H(A) / log(visible keys)`` of every (example, head, query that is not padding and sees ≥ 2 keys)."""
    visible = without_first(signals.visible) if drop_sink else signals.visible
    # with a single key, both the entropy and its maximum are 0
    counted = (visible.sum(-1) >= 2) & signals.mask[:, None]
    values = concentration(signals.attention, visible)
    total = values.double().masked_fill(~counted, 0).sum()
    queries = counted.expand(values.shape).sum()
    return Terms(total=total, count=queries, examples=signals.mask.any(-1).sum())


def without_first(visible: "Tensor") -> "Tensor":
    """Remove the first visible key of each query from a visibility mask.

    Args:
        visible: Bool ``(…, queries, keys)``.
    """
    rest: Tensor = visible & (visible.cumsum(-1) > 1)
    return rest


def concentration(weights: "Tensor", visible: "Tensor") -> "Tensor":
    """Return ``1 − H(p) / log n`` of each query's weights on its ``n`` visible keys, renormalised; within [0, 1].

    With ``s = Σ a`` over the visible keys, ``H = log s − (Σ a log a) / s``. A query whose attention is wholly on the
    sink, so that its visible keys have no weight, counts 0. Values of queries with fewer than two keys are undefined.

    Args:
        weights: ``(batch, heads, queries, keys)``.
        visible: Bool, broadcastable to it.

    Returns:
        ``(batch, heads, queries)``.
    """
    import torch

    kept = weights * visible
    total = kept.sum(-1)
    safe = total.masked_fill(total == 0, 1)
    entropy = safe.log() + torch.special.entr(kept).sum(-1) / safe
    most = visible.sum(-1).clamp_min(2).to(weights.dtype).log()
    values: Tensor = (1 - entropy / most).masked_fill(total == 0, 0).clamp(0, 1)
    return values
