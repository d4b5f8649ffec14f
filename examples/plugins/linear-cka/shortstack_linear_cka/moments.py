"""Mergeable first and second moments of pairs of vectors, and linear CKA from them."""

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from torch import Tensor

RESOLUTION: Final = 1e-12
"""Value of ``1 − CKA`` below which it is rounding error of float64 sums, and counts as 0."""

FLAT: Final = 1_000.0
"""Spread relative to size, in rounding errors, below which states count as equal."""


@attrs.frozen(kw_only=True, eq=False)
class Moments:
    """Moments of pairs of ``H``-vectors, concatenated; never changed in place.

    Attributes:
        tokens: Number of pairs.
        mean: float64 ``(2H,)``.
        scatter: float64 ``(2H, 2H)``: ``Σ (z − mean)(z − mean)ᵀ``.
        epsilon: The rounding error of the vectors' own type.
    """

    tokens: int
    mean: "Tensor"
    scatter: "Tensor"
    epsilon: float


def moments_of(entering: "Tensor", leaving: "Tensor") -> Moments:
    """Return the moments of ``(tokens, H)`` and ``(tokens, H)``; zeros where there are no tokens."""
    import torch

    pairs = torch.cat([entering, leaving], dim=-1).double()
    mean = pairs.sum(0) / max(len(pairs), 1)
    centred = pairs - mean
    return Moments(tokens=len(pairs), mean=mean, scatter=centred.T @ centred, epsilon=torch.finfo(entering.dtype).eps)


def merged(left: Moments, right: Moments) -> Moments:
    """Merge the moments of two sets of pairs.

    Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances",
    equation 2.1, for matrices. Unlike sums of raw products it does not cancel where the mean is far from 0.
    """
    tokens = left.tokens + right.tokens
    apart = right.mean.to(left.mean.device) - left.mean
    share = right.tokens / max(tokens, 1)
    return Moments(
        tokens=tokens,
        mean=left.mean + share * apart,
        scatter=left.scatter + right.scatter.to(left.scatter.device) + left.tokens * share * apart.outer(apart),
        epsilon=max(left.epsilon, right.epsilon),
    )


def dissimilarity(moments: Moments) -> float:
    """Return ``1 − ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)`` of the centred ``X`` and ``Y``, Frobenius norms, within [0, 1].

    Where all tokens are equal, CKA is 0/0: two constant representations count as equal, a constant and another as 1 apart.
    """
    width = len(moments.mean) // 2
    inner, cross = moments.scatter[:width, :width], moments.scatter[:width, width:]
    outer = moments.scatter[width:, width:]
    flat = [
        _is_flat(inner, moments.mean[:width], moments.tokens, moments.epsilon),
        _is_flat(outer, moments.mean[width:], moments.tokens, moments.epsilon),
    ]
    if any(flat):
        return 0.0 if all(flat) else 1.0
    similar = float(cross.square().sum() / (inner.norm() * outer.norm()))  # fourth powers of float32 fit into float64
    return 0.0 if 1 - similar < RESOLUTION else 1 - max(similar, 0.0)


def _is_flat(scatter: "Tensor", mean: "Tensor", tokens: int, epsilon: float) -> bool:
    spread, size = float(scatter.trace()), tokens * float(mean.square().sum())
    return spread <= (FLAT * epsilon) ** 2 * size
