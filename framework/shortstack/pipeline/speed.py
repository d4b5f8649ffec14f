"""Inference speed of a run's models on its device: for test users one by one, and in a batch, one model after another in turns."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final, Self

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from shortstack.planning.latency import milliseconds
from shortstack.processes import ALONE, World

USERS: Final = 32
"""Number of users that are timed, one by one and then in one batch."""
TURNS: Final = 3
"""Number of times that each model is timed; between them the others are, so that a busy minute hits all alike."""
ROUNDS_TOGETHER: Final = 3
"""Number of repetitions of the batch in a turn; the quickest counts, for other load on the machine only adds time."""
BUDGET: Final = 2.0
"""Seconds after which nothing is repeated; a large model's single time has little relative noise."""

Rows = NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class Times:
    """What a model took.

    Attributes:
        alone: float64 ``(USERS,)``: milliseconds of each user, NaN for one that was not reached.
        together: Milliseconds of the batch.
        is_slow: True if time ran out before every repetition was done.
    """

    alone: NDArray[np.float64]
    together: float
    is_slow: bool

    def quickest(self, other: Self) -> "Times":
        """Return the quicker of two times of each user and of the batch."""
        return Times(
            alone=np.fmin(self.alone, other.alone),
            together=min(self.together, other.together),
            is_slow=self.is_slow or other.is_slow,
        )

    @property
    def speed(self) -> dict[str, float]:
        """``ms_per_user_1`` (of the median user), ``ms_per_user_32`` and ``users_per_second``, both in batches of ``USERS``."""
        each = self.together / USERS
        return {
            "ms_per_user_1": float(np.nanmedian(self.alone)),
            f"ms_per_user_{USERS}": each,
            "users_per_second": 1000 / each,
        }


def measured_times(answer: Callable[[Rows], object], cases: int, device: torch.device, world: World = ALONE) -> Times:
    """Measure one turn; work before the forward pass, such as padding, counts.

    The same users are timed one by one and together, evenly spaced over all cases, so that their histories are of all
    lengths.

    Args:
        answer: Makes predictions for some cases at once.
        cases: Number of cases.
        device: The model's device.
        world: The processes that run the model together, each of which calls this.
    """
    rows = np.linspace(0, cases - 1, USERS).astype(np.int64)
    alone = _passes(list(rows.reshape(-1, 1)), answer, device, world)
    together = _passes([rows] * ROUNDS_TOGETHER, answer, device, world)
    return Times(
        alone=np.array(alone + [np.nan] * (USERS - len(alone))),
        together=min(together),
        is_slow=len(alone) < USERS or len(together) < ROUNDS_TOGETHER,
    )


def _passes(batches: list[Rows], answer: Callable[[Rows], object], device: torch.device, world: World) -> list[float]:
    """Return the milliseconds of each batch, after one warm-up; fewer if time runs out, but at least one."""
    answer(batches[0])
    times: list[float] = []
    end = perf_counter() + BUDGET
    for batch in batches:
        times.append(milliseconds(partial(answer, batch), device))
        if world.first(lambda: perf_counter() > end):
            break
    return times
