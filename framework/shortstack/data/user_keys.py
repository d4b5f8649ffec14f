"""Keys of users that are the same in runs of other seeds, which number users and items in other orders.

A key is a hash of what a user did, not of the user's id, which is private and in no file of a run.
"""

import numpy as np
from numpy.typing import NDArray

from shortstack.data.catalogue import Catalogue
from shortstack.data.hashing import mixed, seeded_hashes

Keys = NDArray[np.uint64]


def user_keys(items: NDArray[np.int64], offsets: NDArray[np.int64], catalogue: Catalogue) -> Keys:
    """Return a key of each user: a hash of the items of the user's history, whatever their order.

    Items at the same time are ordered by the run's seed, so the order counts only among users of equal items. Users whose
    items and order are equal are numbered.

    Args:
        items: int64 ``(interactions,)``: dense items, user after user.
        offsets: int64 ``(users + 1,)``: user ``u`` owns ``items[offsets[u]:offsets[u + 1]]``.
        catalogue: The items with their ids in the source.

    Returns:
        uint64 ``(users,)``, distinct but for collisions of 64 bits.
    """
    words = seeded_hashes((item.id for item in catalogue.items), kind="item", seed=0)[items]
    places = np.arange(len(items)) - np.repeat(offsets[:-1], np.diff(offsets))
    in_any_order = _sums(mixed(words, np.zeros_like(words)), offsets)
    in_order = _sums(mixed(words, places.astype(np.uint64)), offsets)
    return mixed(in_any_order, _numbers_among_equals(in_any_order, in_order))


def _sums(words: Keys, offsets: NDArray[np.int64]) -> Keys:
    """Return the sum of each user's words, modulo 2⁶⁴."""
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words, dtype=np.uint64)])
    sums: Keys = running[offsets[1:]] - running[offsets[:-1]]
    return sums


def _numbers_among_equals(keys: Keys, then_by: Keys) -> Keys:
    """Return the place of each user among those of its key, in the order of another."""
    order = np.lexsort((then_by, keys))
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(keys) else order
    counts = np.diff(np.append(starts, len(keys)))
    numbers = np.empty(len(keys), dtype=np.uint64)
    numbers[order] = np.arange(len(keys)) - np.repeat(starts, counts)
    return numbers
