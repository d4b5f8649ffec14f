"""The highest of many scores: most items of a large catalogue are never compared, for their whole chunk is too low."""

from typing import Final

import torch
from torch import Tensor

SCORES: Final = 8_000_000
"""Scores that are computed at once, of which a few copies exist, however large the catalogue is: 31 MiB each in float32. For
each copy from 32 MiB on, glibc gets new memory from the system, with a page fault for every 4 KiB."""
_CHUNK: Final = 512


def rows_at_once(items: int, most: int) -> int:
    """Return how many rows of scores are computed at once.

    >>> rows_at_once(1_000, most=256), rows_at_once(1_000_000, most=256), rows_at_once(10**9, most=256)
    (256, 8, 1)
    """
    return max(1, min(most, SCORES // items))


def top_scores(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest scores, the highest first, and their places; of equal ones the first, which ``topk`` does not ensure.

    >>> [part.tolist() for part in top_scores(torch.tensor([1.0, 3.0, 2.0, 2.0]), 2)]
    [[3.0, 2.0], [1, 2]]

    Args:
        scores: ``(items,)``.
        count: Number of scores; all, if there are fewer.

    Returns:
        ``(count,)`` scores, and int64 ``(count,)`` places.
    """
    values, places = _highest(scores, min(count + 1, len(scores)))
    if count < len(values) and values[-1] == values[-2]:  # the last place is tied
        above, equal = ((scores > values[-1]).nonzero()[:, 0], (scores == values[-1]).nonzero()[:, 0])
        places = torch.cat([above, equal[: count - len(above)]])
    places = places[:count].sort().values
    order = scores[places].argsort(descending=True, stable=True)
    return scores[places[order]], places[order]


def _highest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return what ``topk`` does, from the chunks with the highest maxima: no other chunk holds a score above them all."""
    whole = len(scores) // _CHUNK
    if whole <= count:
        return scores.topk(count)
    maxima = scores[: whole * _CHUNK].view(whole, _CHUNK).amax(1)
    chunks = maxima.topk(count).indices[:, None] * _CHUNK + torch.arange(_CHUNK, device=scores.device)
    rest = torch.arange(whole * _CHUNK, len(scores), device=scores.device)
    places = torch.cat([chunks.flatten(), rest])
    values, chosen = scores[places].topk(count)
    return values, places[chosen]
