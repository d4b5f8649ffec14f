"""Attention weights, from the queries and keys that went into them."""

import math

import attrs
import torch
from torch import Tensor


@attrs.frozen(kw_only=True)
class Terms:
    """What besides queries, keys and mask goes into attention weights.

    Attributes:
        scaling: Multiplies the products; None for ``1/√width``.
        softcap: ``c·tanh(z/c)`` is applied to the logits, before the mask.
        sinks: ``(heads,)`` extra logits that take part in the softmax and are then left out.
        position_bias: Added to the logits, broadcastable to them.
        causal: Whether a missing mask means a causal one.
    """

    scaling: float | None = None
    softcap: float | None = None
    sinks: Tensor | None = None
    position_bias: Tensor | None = None
    causal: bool = True


@torch.no_grad()
def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, terms: Terms) -> tuple[Tensor, Tensor]:
    """Attention weights in float32 or wider, and which keys each query may see.

    Args:
        query: ``(batch, heads, queries, width)``.
        key: ``(batch, key heads, keys, width)``; each key head serves ``heads / key heads`` neighbouring heads.
        mask: Bool (True where visible) or additive, broadcastable to ``(batch, heads, queries, keys)``; or None.
        terms: What else goes in.

    Returns:
        Weights ``(batch, heads, queries, keys)``, exactly 0 where invisible, and bool visibility, broadcastable.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    scale = 1 / math.sqrt(query.shape[-1]) if terms.scaling is None else terms.scaling
    grouped = query.to(wide).unflatten(1, (key.shape[1], -1))
    logits = (grouped * scale @ key.to(wide).unsqueeze(2).mT).flatten(1, 2)
    if terms.softcap is not None:
        logits = torch.tanh(logits / terms.softcap) * terms.softcap
    if terms.position_bias is not None:
        logits = logits + terms.position_bias
    visible = _visible(mask, logits, causal=terms.causal)
    if mask is not None and mask.dtype != torch.bool:
        logits = logits + mask.to(wide)
    invisible = ~visible
    logits.masked_fill_(invisible, torch.finfo(wide).min)
    return _softmax(logits, terms.sinks).masked_fill_(invisible, 0), visible


def _softmax(logits: Tensor, sinks: Tensor | None) -> Tensor:
    if sinks is None:
        return logits.softmax(-1)
    extra = sinks.to(logits.dtype).view(1, -1, 1, 1).expand(*logits.shape[:-1], 1)
    return torch.cat([logits, extra], -1).softmax(-1)[..., :-1].contiguous()


def _visible(mask: Tensor | None, logits: Tensor, *, causal: bool) -> Tensor:
    if mask is None:
        every = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device)
        return (every.tril() if causal else every)[None, None]
    if mask.dtype == torch.bool:
        return mask
    narrow = torch.float32 if mask.dtype == torch.float64 else mask.dtype  # `_finite_eager_mask` stays within float32
    return mask > torch.finfo(narrow).min / 2
