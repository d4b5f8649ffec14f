"""The k-core filter, iterated to its fixed point."""

import numpy as np
from numpy.typing import NDArray


def k_core(users: NDArray[np.int64], items: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the rows of the k-core: the largest set in which every user and every item has at least ``k`` rows.

    One pass is not enough, because dropping an item's rows can leave a user with too few; this repeats until nothing
    changes. The largest such set is unique, so the order of the filters does not matter.

    Args:
        users: int64 ``(rows,)``: codes from 0.
        items: int64 ``(rows,)``: codes from 0.
        k: Smallest number of rows of each user and item; 0 or 1 keeps everything.

    Returns:
        int64: the numbers of the rows that stay, ascending.

    >>> k_core(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1]), 2).tolist()
    [0, 1, 2, 3]
    """
    rows = np.arange(len(users))
    if all((counts >= k)[counts > 0].all() for counts in map(np.bincount, (users, items))):
        return rows
    while True:
        enough = _enough(users[rows], k) & _enough(items[rows], k)
        if enough.all():
            return rows
        rows = rows[enough]


def _enough(codes: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return Bool ``(rows,)``: True if the row's code occurs at least ``k`` times.

    >>> _enough(np.array([0, 1, 0]), 2).tolist()
    [True, False, True]
    """
    return (np.bincount(codes) >= k)[codes]
