"""How things are timed: in turns, so that a busy moment hits all of them alike, and by the best of several."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TypedDict

import torch

Job = Callable[[], object]


class Row(TypedDict):
    """One line of the table; the ratio is what a claim rests on."""

    what: str
    measured: str
    beside: str
    ratio: float
    target: str


def best_seconds(jobs: Mapping[str, Job], rounds: int = 5) -> dict[str, float]:
    """The fastest of ``rounds`` for each job, the jobs taking turns, after one warm-up each."""
    best = dict.fromkeys(jobs, float("inf"))
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            _settle()
            start = perf_counter()
            job()
            _settle()
            if turn:
                best[name] = min(best[name], perf_counter() - start)
    return best


def _settle() -> None:
    """Wait for what a GPU still has to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
