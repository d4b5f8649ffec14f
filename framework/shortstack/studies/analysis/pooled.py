"""Students compared over several settings at once: averaged within each seed, whose data and teacher they share."""

from collections.abc import Iterable, Sequence

import numpy as np

from shortstack.contracts.headlines import KEEPS
from shortstack.errors import SourceNotFoundError
from shortstack.evaluation.statistics.paired import paired
from shortstack.evaluation.statistics.samples import Totals
from shortstack.result import RunResult
from shortstack.studies.comparison import Pairing
from shortstack.studies.pairs import Side

Pair = tuple[RunResult, RunResult]
"""Runs of one seed that differ in one axis alone."""


def pooled_by_seed(pairs: Sequence[Pair], metric: str) -> Pairing | None:
    """Compare the students of pairs of runs; those of one seed are one, and a user's cases in them are that user's.

    Args:
        pairs: The runs.
        metric: The metric that models were selected by.

    Returns:
        The comparison; None where a run has no cases of the metric on the disk.

    Raises:
        DataError: Cases are damaged.
    """
    seeds: dict[object, list[Pair]] = {}
    for pair in pairs:
        seeds.setdefault(pair[0].config.get("seed"), []).append(pair)
    if any(metric not in result.headlines["metrics"] for pair in pairs for result in pair):
        return None
    try:
        firsts, seconds = (
            [_together([_totals(pair[side], metric) for pair in each]) for each in seeds.values()] for side in (0, 1)
        )
    except SourceNotFoundError:  # an earlier version evaluated a run
        return None
    figures = paired(firsts, seconds, metric=metric, keeps=KEEPS)
    return Pairing(setting={}, metric=metric, of="student", reference="student", paired=figures, keeps=KEEPS)


def _totals(result: RunResult, metric: str) -> Totals:
    return Side(result=result, model="student").totals(metric)


def _together(totals: Iterable[Totals]) -> Totals:
    """Add up the totals of several runs, user by user."""
    every = list(totals)
    keys, owners = np.unique(np.concatenate([each.keys for each in every]), return_inverse=True)
    sums, counts = (
        np.bincount(owners, np.concatenate(parts), len(keys)).astype(np.float64)
        for parts in ([each.sums for each in every], [each.counts for each in every])
    )
    return Totals(keys=keys, sums=sums, counts=counts)
