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
ROUNDS_ALONE: Final = 3
ROUNDS_TOGETHER: Final = 9
"""How often each is answered; the quickest counts, for whatever else the machine does only adds to it."""
BUDGET: Final = 5.0
"""Seconds after which nothing is repeated any more: of a large model one time says enough."""

Rows = NDArray[np.int64]


def measured_speed(answer: Callable[[Rows], object], cases: int, device: torch.device) -> dict[str, float]:
    """Milliseconds a user, and users a second; the work before a model is asked, such as padding, counts.

    The same users are answered one by one and together, evenly drawn from all cases, so that their histories are of all
    lengths.

    Args:
        answer: Answers some cases at once.
        cases: How many there are.
        device: Where the model is.

    Returns:
        ``ms_per_user_1`` (the median user's), ``ms_per_user_32`` and ``users_per_second``, both in batches of ``USERS``.
    """
    rows = np.linspace(0, cases - 1, USERS).astype(np.int64)
    alone = _quickest(list(rows.reshape(-1, 1)), ROUNDS_ALONE, answer, device)
    together = _quickest([rows], ROUNDS_TOGETHER, answer, device) / USERS
    return {"ms_per_user_1": alone, f"ms_per_user_{USERS}": together, "users_per_second": 1000 / together}


def _quickest(batches: list[Rows], rounds: int, answer: Callable[[Rows], object], device: torch.device) -> float:
    """Milliseconds of the median batch in its quickest round, after one answer that sets things up."""
    answer(batches[0])
    times: list[list[float]] = [[] for _ in batches]
    end = perf_counter() + BUDGET
    for number in range(rounds * len(batches)):
        place = number % len(batches)
        times[place].append(milliseconds(partial(answer, batches[place]), device))
        if perf_counter() > end:
            break
    return median(min(found) for found in times if found)
