"""Losses on relations of attention values that see padding or other examples, or multiply in half precision."""

import math

import torch

from mutants.losses.divergences import mutant
from mutants.losses.plain import kl, on_attention, wide


def side_by_side(values):
    """Return the values of all heads ``(batch, tokens, width)``."""
    return values.transpose(1, 2).flatten(2)


def related(mask):
    """Return the pairs of a token and an unmasked one not after it; padding is related to itself."""
    eye = torch.eye(mask.shape[-1], dtype=torch.bool)
    return (mask[..., :, None] & mask[..., None, :]).tril() | eye


def divergence(ours, theirs, pairs):
    """Return the divergence of each token's relations ``(batch, tokens)``, of values without NaN at padding."""
    log_q, log_p = (
        wide(x @ x.mT / math.sqrt(x.shape[-1])).masked_fill(~pairs, -math.inf).log_softmax(-1) for x in (ours, theirs)
    )
    return kl(log_p, log_q.masked_fill(~pairs, -1.0)).sum(-1)


def padding_related(ours, theirs, mask):
    """Leave padding among the tokens that others are related to."""
    pairs = torch.ones_like(mask)[:, :, None].expand(*mask.shape, mask.shape[1]).tril()
    return divergence(wide(side_by_side(ours)), wide(side_by_side(theirs)), pairs)[mask].sum()


def one_text(ours, theirs, mask):
    """Relate the tokens of all examples."""
    ours, theirs = (wide(side_by_side(x))[mask] for x in (ours, theirs))
    return divergence(ours, theirs, related(torch.ones(len(ours), dtype=torch.bool))).sum()


def half_products(ours, theirs, mask):
    """Multiply in the type of the values, and widen afterwards."""
    ours, theirs = (side_by_side(x).masked_fill(~mask[..., None], 0.0) for x in (ours, theirs))
    return divergence(ours, theirs, related(mask)).sum()


def widened(ours, theirs, mask):
    """Do it right, if the teacher is a constant."""
    return half_products(wide(ours), wide(theirs), mask)


MUTANTS = (
    mutant(
        on_attention("padding-related", padding_related),
        "tokens have relations to the padding before them",
        "masked-attention",
        "more-padding",
    ),
    mutant(
        on_attention("one-text", one_text),
        "tokens have relations to other examples",
        "additivity",
        "micro-batches",
        "many-positions",
    ),
    mutant(on_attention("half-products", half_products), "relations are products in half precision", "half-precision"),
    mutant(
        on_attention("attached-attention", widened, detached=False),
        "a gradient flows into the teacher's attention",
        "teacher-at-peace",
    ),
)
