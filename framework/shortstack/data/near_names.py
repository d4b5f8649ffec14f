"""Nearest names to a mistyped one, fast even among millions: an index of their three-letter pieces is built once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from heapq import heappush, heappushpop
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

_FEW: Final = 1000
"""Largest number of names that are all compared by difflib, at some 30 µs each."""
_LIKELIEST: Final = 300
"""Largest number of preselected names that difflib compares otherwise."""
_OF_BLOCK: Final = 100
"""Number of names that each block of the index preselects."""
_LETTERS: Final = 32
"""Largest number of distinct letters of the name that are counted in the others."""
_OTHERS: Final = 255
"""Code of all other letters."""
_BLOCK: Final = 1 << 17
"""Number of names that are indexed at once, which bounds the memory for it."""
_AROUND: Final = 2
"""Letters of nothing before and after a name, so that its ends are pieces, too."""
_KEYS: Final = 1 << 16
"""Number of keys of three-letter pieces; different pieces may share one."""
_READ: Final = 1 << 13
"""Number of entries that are read in a block: those of the rarest pieces, which say most."""


def near_names(name: str, names: Iterable[str], *, most: int = 3, least: float = 0.5) -> list[str]:
    """Return ``difflib.get_close_matches`` without duplicates; of many names, only the likeliest are compared.

    >>> near_names("Matirx", ["Heat", "Matrix", "Casino", "Matrix"])
    ['Matrix']

    Args:
        name: The mistyped name.
        names: The existing names.
        most: Largest number of results.
        least: Smallest similarity, from 0 to 1.
    """
    return NameIndex(names=names).near(name, most=most, least=least)


def _closest(name: str, names: Iterable[str], *, most: int, least: float) -> list[str]:
    """Return ``difflib.get_close_matches``, in less time if the closest names come first.

    A name is compared only as far as it may be among the closest of those before it, by the upper bounds of its similarity.
    """
    matcher, found = SequenceMatcher(b=name), list[tuple[float, str]]()
    for other in names:
        matcher.set_seq1(other)
        needed = found[0][0] if len(found) == most else least
        if matcher.real_quick_ratio() >= needed and matcher.quick_ratio() >= needed:
            similar = (matcher.ratio(), other)
            if len(found) == most:
                heappushpop(found, similar)
            elif similar[0] >= least:
                heappush(found, similar)
    return [other for _, other in sorted(found, reverse=True)]


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


@attrs.frozen(kw_only=True, eq=False, slots=False)
class NameIndex:
    """Names, indexed at the first question if they are many.

    Attributes:
        names: The names, without duplicates.
    """

    names: tuple[str, ...] = attrs.field(converter=_distinct, repr=False)

    def near(self, name: str, *, most: int = 3, least: float = 0.5) -> list[str]:
        """Return what ``near_names`` does."""
        if 2 * self._longest < least * (self._longest + len(name)):  # not even a name that it begins with is so similar
            return []
        return _closest(name, self._likely(name), most=most, least=least)

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.names), default=0)

    def _likely(self, name: str) -> Sequence[str]:
        if len(self.names) <= _FEW:
            return self.names
        likely = [other for block in self._blocks for other in block.likely(name)]
        order = np.argsort(-_likeness(name, likely), kind="stable")
        return [likely[place] for place in order[:_LIKELIEST]]

    @cached_property
    def _blocks(self) -> "tuple[_Block, ...]":
        """Indexes of all names; threads that build them at the same time build equal ones."""
        starts = range(0, len(self.names), _BLOCK)
        return tuple(_Block.of(self.names[start : start + _BLOCK]) for start in starts)


@attrs.frozen(kw_only=True, eq=False)
class _Block:
    """Inverted index of some names.

    Attributes:
        names: The names.
        lengths: int64 ``(names,)``: their lengths.
        starts: int64 ``(keys + 1,)``: start of each key's entries.
        entries: int32: the places of the names that have a key, key after key.
    """

    names: tuple[str, ...]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    entries: NDArray[np.int32]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "_Block":
        """Index names."""
        keys, owners = _keys(names)
        return cls(
            names=names,
            lengths=np.fromiter(map(len, names), dtype=np.int64, count=len(names)),
            starts=np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=_KEYS))]),
            # a stable sort of 16-bit numbers is by radix, which takes linear time
            entries=owners[np.argsort(keys, kind="stable")],
        )

    def likely(self, name: str) -> Iterator[str]:
        """Yield the names that share the largest part of their rare pieces with this one."""
        places = np.concatenate([self.entries[:0], *self._read(name)])
        sharing, shared = np.unique(places, return_counts=True)
        share = shared / (self.lengths[sharing] + len(name) + _AROUND)
        best = np.sort(np.argsort(-share, kind="stable")[:_OF_BLOCK])
        return (self.names[place] for place in sharing[best].tolist())

    def _read(self, name: str) -> Iterator[NDArray[np.int32]]:
        """Yield the entries of a name's pieces, the rarest first, as many as may be read, and at least of one piece."""
        keys = np.unique(_keys([name])[0])
        counts = self.starts[keys + 1] - self.starts[keys]
        rarest = np.argsort(counts, kind="stable")
        enough = max(1, np.searchsorted(np.cumsum(counts[rarest]), _READ, side="right"))
        return (self.entries[self.starts[key] : self.starts[key + 1]] for key in keys[rarest[:enough]].tolist())


def _keys(names: Sequence[str]) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Return the keys of all three-letter pieces of names, with letters of nothing around each name; and whose they are.

    Returns:
        uint16 ``(pieces,)`` keys, and int32 ``(pieces,)`` places among the names.
    """
    nothing = "\0" * _AROUND
    around = [f"{nothing}{name}{nothing}" for name in names]
    lengths = np.fromiter(map(len, around), dtype=np.int64, count=len(names))
    text = np.frombuffer("".join(around).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    # multiplied in 32 bits with overflow, of which the upper 16 depend on all letters
    mixed = (text[:-2] * np.uint32(31) + text[1:-1]) * np.uint32(31) + text[2:]
    keys = ((mixed * np.uint32(2_654_435_761)) >> np.uint32(16)).astype(np.uint16)
    owners = np.repeat(np.arange(len(names), dtype=np.int32), lengths)
    inside = owners[:-2] == owners[2:]
    return keys[inside], owners[:-2][inside]


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
    common = np.minimum(occurrences.reshape(len(names), len(counts)), list(counts.values())).sum(1)

    pairs = np.zeros((_OTHERS + 1, _OTHERS + 1), dtype=bool)
    ours = number[[ord(letter) for letter in name]]
    pairs[ours[:-1], ours[1:]] = True
    pairs[_OTHERS], pairs[:, _OTHERS] = False, False  # all other letters share a code, but are not equal
    neighbours = pairs[letters[:-1], letters[1:]] & (owner[:-1] == owner[1:])
    shared = np.bincount(owner[:-1][neighbours], minlength=len(names))
    together = lengths + len(name)
    likeness: NDArray[np.float64] = (2 * common + 2 * np.minimum(shared, len(name))) / together
    return likeness
