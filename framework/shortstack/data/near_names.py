"""Nearest names to a mistyped one, fast even among a hundred thousand."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FEW: Final = 1000
"""Largest number of names that are all compared by difflib, at some 30 µs each."""
_LIKELIEST: Final = 300
"""Number of preselected names that difflib compares otherwise."""
_LETTERS: Final = 32
"""Largest number of distinct letters of the name that are counted in the others."""
_OTHERS: Final = 255
"""Code of all other letters."""


def near_names(name: str, names: Sequence[str], *, most: int = 3, least: float = 0.5) -> list[str]:
    """Return ``difflib.get_close_matches`` without duplicates; of many names, only the likeliest are compared.

    >>> near_names("Matirx", ["Heat", "Matrix", "Casino", "Matrix"])
    ['Matrix']

    Args:
        name: The mistyped name.
        names: The existing names.
        most: Largest number of results.
        least: Smallest similarity, from 0 to 1.
    """
    distinct = list(dict.fromkeys(names))
    if len(distinct) > _FEW:
        likeness = _likeness(name, distinct)
        distinct = [distinct[place] for place in np.argsort(-likeness, kind="stable")[:_LIKELIEST]]
    return get_close_matches(name, distinct, n=most, cutoff=least)


def _likeness(name: str, names: Sequence[str]) -> NDArray[np.float64]:
    """Return each name's share of common letters plus that of common pairs of letters, float64 ``(names,)``."""
    lengths = np.fromiter(map(len, names), dtype=np.int64, count=len(names))
    owner = np.repeat(np.arange(len(names)), lengths)
    text = np.frombuffer("".join(names).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    counts = dict(Counter(name).most_common(_LETTERS))
    number = np.full(int(max([*map(ord, counts), text.max(initial=0)])) + 1, _OTHERS, dtype=np.uint8)
    number[[ord(letter) for letter in counts]] = np.arange(len(counts))
    letters = number[text]

    known = letters != _OTHERS
    occurrences = np.bincount(owner[known] * len(counts) + letters[known], minlength=len(names) * len(counts))
    common = np.minimum(occurrences.reshape(len(names), -1), list(counts.values())).sum(1)

    pairs = np.zeros((_OTHERS + 1, _OTHERS + 1), dtype=bool)
    ours = number[[ord(letter) for letter in name]]
    pairs[ours[:-1], ours[1:]] = True
    pairs[_OTHERS], pairs[:, _OTHERS] = False, False  # all other letters share a code, but are not equal
    neighbours = pairs[letters[:-1], letters[1:]] & (owner[:-1] == owner[1:])
    shared = np.bincount(owner[:-1][neighbours], minlength=len(names))
    together = lengths + len(name)
    likeness: NDArray[np.float64] = (2 * common + 2 * np.minimum(shared, len(name))) / together
    return likeness
