"""Balancing ``ema``: losses divided by their running magnitudes."""

from collections.abc import Mapping

import attrs
from attrs import validators

from shortstack.distillation.balancing.contract import Memory


@attrs.frozen(kw_only=True)
class Ema:
    """Losses divided by their running magnitudes, so that weights mean shares: ``Σ_k w_k L_k / m_k / Σ_k w_k``.

    ``m_k`` is the bias-corrected exponential moving average of ``|L_k|`` over the steps so far; 1 at the first step.
    The total stays near 1, whatever the scale of the losses.

    Attributes:
        decay: Decay rate of the moving average at each step; 0.98 averages over about 50 steps.
        floor: Lower bound of a magnitude, so that a loss near 0 has no huge multiplier.
    """

    decay: float = attrs.field(default=0.98, validator=[validators.ge(0.0), validators.lt(1.0)])
    floor: float = attrs.field(default=1e-6, validator=validators.gt(0.0))

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return each weight's share, divided by its loss's running magnitude.

        >>> Ema().multipliers({"labels": 1.0, "soft-targets": 3.0}, {"labels": (4.0, 2.0)})
        {'labels': 0.125, 'soft-targets': 0.75}
        """
        total = sum(weights.values())
        return {name: weight / total / self._magnitude(memory, name) for name, weight in weights.items()}

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:
        """Return the running magnitudes after one more step."""
        moved = {name: self._move(memory.get(name, (0.0, 0.0)), abs(mean)) for name, mean in means.items()}
        return {**memory, **moved}

    def _move(self, remembered: tuple[float, ...], value: float) -> tuple[float, float]:
        """Return the discounted sums of magnitudes and of their weights: their quotient is the bias-corrected mean."""
        total, mass = remembered
        return self.decay * total + (1 - self.decay) * value, self.decay * mass + (1 - self.decay)

    def _magnitude(self, memory: Memory, name: str) -> float:
        if name not in memory:
            return 1.0
        total, mass = memory[name]
        return max(total / mass, self.floor)
