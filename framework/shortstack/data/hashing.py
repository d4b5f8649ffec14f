"""Seeded hashes of names, for orders that depend neither on row numbers nor on Python's own ``hash``."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def seeded_hashes(names: Iterable[str], *, kind: str, seed: int) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each name, equal on every machine and version.

    Args:
        names: Distinct names; pass each only once, since this is a Python loop.
        kind: Namespace, so that user ``"7"`` and item ``"7"`` differ; at most 16 ASCII letters.
        seed: Seed of the hashes.

    >>> user, item = (seeded_hashes(["7"], kind=kind, seed=0) for kind in ("user", "item"))
    >>> bool(user == item)
    False
    """
    empty = blake2b(digest_size=8, key=str(seed).encode(), person=kind.encode())
    digests = bytearray()
    for name in names:
        state = empty.copy()
        state.update(name.encode())
        digests += state.digest()
    return np.frombuffer(bytes(digests), dtype="<u8").astype(np.uint64)


def mixed(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each pair.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, figure 16), around each member in turn.
    """
    return _finalised(_finalised(left) ^ right)


def _finalised(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = words + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
