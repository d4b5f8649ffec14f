"""Balancing ``dwa``, dynamic weight average: losses that fall slowly weigh more."""

import math
from collections.abc import Mapping
from typing import ClassVar

import attrs
from attrs import validators

from shortstack.distillation.balancing.contract import Memory, TrainedStep
from shortstack.distillation.balancing.signs import LEAST, not_negative


@attrs.frozen(kw_only=True)
class Dwa:
    """Dynamic weight average: ``w_k K softmax_k((L_k(t−1) / L_k(t−2)) / T)``, ``L_k(t)`` means over intervals.

    ``K`` is the number of losses. Until a loss has two means its ratio is 1, as in the paper. Losses must not be
    negative.

    Source: Liu, Johns & Davison 2019, arXiv 1803.10704, equation 7.

    Attributes:
        temperature: ``T``; above 1, multipliers differ less.
        interval: Optimiser steps over which a loss is averaged: the paper's epoch.
    """

    measures_gradients: ClassVar[bool] = False
    temperature: float = attrs.field(default=2.0, validator=[validators.gt(0.0), validators.lt(math.inf)])
    interval: int = attrs.field(default=50, validator=validators.ge(1))

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return the multipliers; their sum is ``K`` where all weights are 1.

        >>> Dwa().multipliers({"labels": 1.0, "soft-targets": 3.0}, {})
        {'labels': 1.0, 'soft-targets': 3.0}
        """
        ratios = {name: _ratio(memory.get(name, ())) / self.temperature for name in weights}
        largest = max(ratios.values())  # subtracted, because an exponential of a large ratio would overflow
        parts = {name: math.exp(ratio - largest) for name, ratio in ratios.items()}
        total = math.fsum(parts.values())
        return {name: weight * len(weights) * parts[name] / total for name, weight in weights.items()}

    def learn(self, memory: Memory, step: TrainedStep) -> Memory:
        """Return the sums after a step, and at the end of an interval the means.

        Raises:
            ConfigurationError: A loss is negative.
        """
        means = {name: not_negative(name, mean, step=step.number, balancing="dwa") for name, mean in step.means.items()}
        added = {**memory, **{name: _added(memory.get(name, _EMPTY), mean) for name, mean in means.items()}}
        ended = step.number % self.interval == 0
        return {name: _averaged(entry) for name, entry in added.items()} if ended else added


_EMPTY = (0.0, 0.0)
"""Sum and number of the losses in this interval; then at most two means, of the interval before last and the last."""


def _added(entry: tuple[float, ...], mean: float) -> tuple[float, ...]:
    total, count, *means = entry
    return total + mean, count + 1, *means


def _averaged(entry: tuple[float, ...]) -> tuple[float, ...]:
    total, count, *means = entry
    return (*_EMPTY, *[*means, total / count][-2:]) if count else entry


def _ratio(entry: tuple[float, ...]) -> float:
    match entry:
        case (_, _, before, last):
            return max(last, LEAST) / max(before, LEAST)
    return 1.0
