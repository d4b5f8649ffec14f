"""Inference speed of a run's models on its device: for test users one by one, and in a batch."""

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
"""Number of users that are timed, one by one and then in one batch."""
ROUNDS_ALONE: Final = 3
ROUNDS_TOGETHER: Final = 9
"""Number of repetitions; the quickest counts, for other load on the machine only adds time."""
BUDGET: Final = 5.0
"""Seconds after which nothing is repeated; a large model's single time has little relative noise."""

Rows = NDArray[np.int64]


def measured_speed(answer: Callable[[Rows], object], cases: int, device: torch.device) -> dict[str, float]:
    """Measure milliseconds per user and users per second; work before the forward pass, such as padding, counts.

    The same users are timed one by one and together, evenly spaced over all cases, so that their histories are of all
    lengths.

    Args:
        answer: Makes predictions for some cases at once.
        cases: Number of cases.
        device: The model's device.

    Returns:
        ``ms_per_user_1`` (of the median user), ``ms_per_user_32`` and ``users_per_second``, both in batches of ``USERS``.
    """
    rows = np.linspace(0, cases - 1, USERS).astype(np.int64)
    alone = _quickest(list(rows.reshape(-1, 1)), ROUNDS_ALONE, answer, device)
    together = _quickest([rows], ROUNDS_TOGETHER, answer, device) / USERS
    return {"ms_per_user_1": alone, f"ms_per_user_{USERS}": together, "users_per_second": 1000 / together}


def _quickest(batches: list[Rows], rounds: int, answer: Callable[[Rows], object], device: torch.device) -> float:
    """Return the median over batches of each one's quickest round, in milliseconds, after one warm-up."""
    answer(batches[0])
    times: list[list[float]] = [[] for _ in batches]
    end = perf_counter() + BUDGET
    for number in range(rounds * len(batches)):
        place = number % len(batches)
        times[place].append(milliseconds(partial(answer, batches[place]), device))
        if perf_counter() > end:
            break
    return median(min(repeats) for repeats in times if repeats)
