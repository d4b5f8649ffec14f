"""Balancing ``gradnorm``: losses whose gradients are of one size, larger for losses that are behind."""

import math
from collections.abc import Mapping
from typing import ClassVar

import attrs
from attrs import validators

from shortstack.distillation.balancing.adam import adam_step
from shortstack.distillation.balancing.contract import Memory, TrainedStep
from shortstack.distillation.balancing.signs import LEAST, not_negative


@attrs.frozen(kw_only=True)
class GradNorm:
    """Gradient normalisation: ``G_k = multiplier_k ‖∇L_k‖`` is drawn to ``w_k / w̄ · Ḡ · r_k^α``.

    ``r_k = (L_k / L_k(1)) / mean_j(L_j / L_j(1))`` is the inverse training rate, ``L_k(1)`` the loss at the first step,
    bars are means over the losses, and gradients are those of the student's first layer, on which every loss depends.
    Adam minimises ``Σ_k |G_k − target_k|`` over the multipliers' logarithms, the targets held constant; multipliers
    sum to the sum of the weights, and are the weights at first. Losses must not be negative. Each step takes one more
    backward pass for each loss.

    Source: Chen et al. 2018, arXiv 1711.02257, equations 1 and 2, algorithm 1.

    Attributes:
        alpha: Strength with which losses that are behind are pulled; 0 for gradients of one size.
        learning_rate: Learning rate of the logarithms: about the largest relative change of a multiplier in a step.
    """

    measures_gradients: ClassVar[bool] = True
    alpha: float = attrs.field(default=1.5, validator=[validators.ge(0.0), validators.lt(math.inf)])
    learning_rate: float = attrs.field(default=0.025, validator=[validators.gt(0.0), validators.le(1.0)])

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return the multipliers; before the first step, the weights.

        >>> GradNorm().multipliers({"labels": 1.0, "soft-targets": 3.0}, {})
        {'labels': 1.0, 'soft-targets': 3.0}
        """
        raw = {name: math.exp(memory[name][0]) if name in memory else weight for name, weight in weights.items()}
        factor = math.fsum(weights.values()) / math.fsum(raw.values())
        return {name: value * factor for name, value in raw.items()}

    def learn(self, memory: Memory, step: TrainedStep) -> Memory:
        """Return the logarithms after one step of Adam, and each loss's first mean; losses without terms stay.

        Raises:
            ConfigurationError: A loss is negative.
        """
        means = {
            name: max(not_negative(name, mean, step=step.number, balancing="gradnorm"), LEAST)
            for name, mean in step.means.items()
        }
        before = {name: memory.get(name, (math.log(step.weights[name]), 0.0, 0.0, 0.0, means[name])) for name in means}
        norms = {name: step.multipliers[name] * step.gradient_norms[name] for name in means}
        targets = self._targets(norms, step.weights, {name: means[name] / before[name][4] for name in means})
        return {**memory, **{name: self._moved(before[name], norms[name], targets[name]) for name in means}}

    def _targets(
        self, norms: Mapping[str, float], weights: Mapping[str, float], rates: Mapping[str, float]
    ) -> dict[str, float]:
        """Return the norm that each loss's weighted gradient should have."""
        norm, weight, rate = (_mean([values[name] for name in norms]) for values in (norms, weights, rates))
        return {name: weights[name] / weight * norm * (rates[name] / rate) ** self.alpha for name in norms}

    def _moved(self, entry: tuple[float, ...], norm: float, target: float) -> tuple[float, ...]:
        """Return a loss's logarithm after one step; ``d|G − target| / d log multiplier = sign(G − target) G``."""
        value, first, second, steps, start = entry
        slope = math.copysign(norm, norm - target) if norm != target else 0.0
        return *adam_step((value, first, second, steps), slope, self.learning_rate), start


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
