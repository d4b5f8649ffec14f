"""Balancing ``uncertainty``: each loss's own noise is learnt, and noisier losses weigh less."""

import math
from collections.abc import Mapping
from typing import ClassVar

import attrs
from attrs import validators

from shortstack.distillation.balancing.adam import Learnt, adam_step
from shortstack.distillation.balancing.contract import Memory, TrainedStep
from shortstack.distillation.balancing.signs import not_negative


@attrs.frozen(kw_only=True)
class Uncertainty:
    """Learnt log-variances: ``Σ_k w_k (L_k / 2e^{s_k} + s_k / 2)``, where ``s_k`` follows ``log L_k``.

    The gradient of ``s_k`` is ``(1 − L_k e^{−s_k}) / 2``, so Adam takes its step on plain numbers, without weight
    decay; ``w_k`` scales a loss's whole term, so it is the loss's share of the total once ``s_k`` has settled. The
    terms ``s_k / 2`` do not depend on the student and are not part of the logged total. Losses must not be negative.

    Source: Kendall, Gal & Cipolla 2018, arXiv 1705.07115, section 3.2; the learnt number is ``s = log σ²``.

    Attributes:
        initial: Log-variance of each loss at the start.
        learning_rate: Learning rate of the log-variances: about the most that one changes in a step.
    """

    measures_gradients: ClassVar[bool] = False
    initial: float = attrs.field(default=-0.5, validator=[validators.ge(-20.0), validators.le(20.0)])
    learning_rate: float = attrs.field(default=0.025, validator=[validators.gt(0.0), validators.le(1.0)])

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return ``w_k / 2e^{s_k}``.

        >>> Uncertainty(initial=0.0).multipliers({"labels": 1.0}, {})
        {'labels': 0.5}
        """
        return {name: weight / 2 * math.exp(-self._learnt(memory, name)[0]) for name, weight in weights.items()}

    def learn(self, memory: Memory, step: TrainedStep) -> Memory:
        """Return the log-variances after one step of Adam; those of losses without terms stay.

        Raises:
            ConfigurationError: A loss is negative.
        """
        means = {
            name: not_negative(name, mean, step=step.number, balancing="uncertainty")
            for name, mean in step.means.items()
        }
        return {**memory, **{name: self._moved(self._learnt(memory, name), mean) for name, mean in means.items()}}

    def _moved(self, learnt: Learnt, mean: float) -> Learnt:
        return adam_step(learnt, (1 - mean * math.exp(-learnt[0])) / 2, self.learning_rate)

    def _learnt(self, memory: Memory, name: str) -> Learnt:
        value, first, second, steps = memory.get(name, (self.initial, 0.0, 0.0, 0.0))
        return value, first, second, steps
