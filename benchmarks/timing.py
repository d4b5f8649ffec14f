"""Timing: jobs take turns, so that load on the machine affects all of them alike, and the best of several counts."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TypedDict

import torch

Job = Callable[[], object]


class Row(TypedDict):
    """One row of the table; claims are based on the ratio."""

    what: str
    measured: str
    beside: str
    ratio: float
    target: str


def best_seconds(jobs: Mapping[str, Job], rounds: int = 5) -> dict[str, float]:
    """Return the fastest of ``rounds`` for each job, the jobs taking turns, after one warm-up each."""
    best = dict.fromkeys(jobs, float("inf"))
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            _settle()
            start = perf_counter()
            job()
            _settle()
            # the first turn is the warm-up
            if turn:
                best[name] = min(best[name], perf_counter() - start)
    return best


def _settle() -> None:
    """Wait until a GPU has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
