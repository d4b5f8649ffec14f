"""How fast the models of a run answer: test users alone, and many at once, on the run's device."""

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from shortstack.planning.latency import milliseconds

USERS: Final = 32
"""How many users are answered, alone and then at once."""
REPEATS: Final = 9
"""How often all of them at once; the median counts."""
BUDGET: Final = 5.0
"""Seconds after which nothing is repeated any more: of a large model one time says enough."""

Rows = NDArray[np.int64]


def measured_speed(answer: Callable[[Rows], object], cases: int, device: torch.device) -> dict[str, float]:
    """Milliseconds a user, and users a second; the work before a model is asked, such as padding, counts.

    The same users are answered one by one and together, evenly drawn from all cases, so that their histories are of all
    lengths. Something else that the machine does at the time shows in it.

    Args:
        answer: Answers some cases at once.
        cases: How many there are.
        device: Where the model is.

    Returns:
        ``ms_per_user_1`` (median over users), ``ms_per_user_32`` and ``users_per_second``, both in batches of ``USERS``.
    """
    rows = np.linspace(0, cases - 1, USERS).astype(np.int64)
    alone = _median(list(rows.reshape(-1, 1)), answer, device)
    together = _median([rows] * REPEATS, answer, device) / USERS
    return {"ms_per_user_1": alone, f"ms_per_user_{USERS}": together, "users_per_second": 1000 / together}


def _median(batches: list[Rows], answer: Callable[[Rows], object], device: torch.device) -> float:
    """Milliseconds a batch, after one that sets things up."""
    answer(batches[0])
    found: list[float] = []
    end = perf_counter() + BUDGET
    for batch in batches:
        found.append(milliseconds(partial(answer, batch), device))
        if perf_counter() > end:
            break
    return median(found)
