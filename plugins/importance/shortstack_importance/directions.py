"""Cosine distance and angle between vectors, without the cancellation of ``1 − cos``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def unit_vectors(states: "Tensor") -> "Tensor":
    """Return ``x / ‖x‖`` along the last dimension; a zero vector stays zero."""
    import torch

    norms = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
    units: Tensor = states / norms.masked_fill(norms == 0, 1)
    return units


def cosine_distance(left: "Tensor", right: "Tensor") -> "Tensor":
    """Return ``1 − cos(x, y) = ½‖x/‖x‖ − y/‖y‖‖²`` along the last dimension, within [0, 2]; exactly 0 for equal vectors.

    Computed as ``½‖x − y·‖x‖/‖y‖‖² / ‖x‖²``, which reads the states three times instead of seven.

    A zero vector is at distance 1 from every other and 0 from itself.

    >>> import torch
    >>> cosine_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [-1.0, 0.0]])).tolist()
    [0.0, 2.0]
    """
    import torch

    lengths = [torch.linalg.vector_norm(states, dim=-1) for states in (left, right)]
    safe = [length.masked_fill(length == 0, 1) for length in lengths]
    apart = torch.linalg.vector_norm(torch.addcmul(left, right, (safe[0] / safe[1])[..., None], value=-1), dim=-1)
    one_is_zero = (lengths[0] == 0) ^ (lengths[1] == 0)
    halves: Tensor = (apart / safe[0]).square() / 2
    return halves.masked_fill(one_is_zero, 1).clamp(0, 2)


def angle(left: "Tensor", right: "Tensor") -> "Tensor":
    """Return ``arccos(cos(x, y)) = 2·atan2(‖x̂ − ŷ‖, ‖x̂ + ŷ‖)``, within [0, π]; exactly 0 for equal vectors.

    A zero vector is at a right angle to every other.

    Source: W. Kahan, "How futile are mindless assessments of roundoff", 2006, section 12.
    """
    import math

    import torch

    left, right = unit_vectors(left), unit_vectors(right)
    apart = torch.linalg.vector_norm(left - right, dim=-1)
    together = torch.linalg.vector_norm(left + right, dim=-1)
    return (2 * torch.atan2(apart, together)).clamp(0, math.pi)


def last_visible(mask: "Tensor") -> "Tensor":
    """Return the position of each row's last True, int64 ``(batch,)``; 0 where there is none.

    Args:
        mask: Bool ``(batch, tokens)``.

    >>> import torch
    >>> last_visible(torch.tensor([[True, True, False], [False, False, False]])).tolist()
    [1, 0]
    """
    import torch

    places = torch.arange(mask.shape[-1], device=mask.device)
    return (places * mask).amax(-1)
