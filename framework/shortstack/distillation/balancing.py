"""Balancing of several losses: the multiplier of each at the next optimiser step."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import attrs
from attrs import validators

from shortstack.config.given import Given, value_of
from shortstack.config.reader import structure
from shortstack.config.resolve import attribute_named
from shortstack.errors import ConfigurationError, UnknownNameError

Memory = Mapping[str, tuple[float, ...]]
"""State of a balancing, a few numbers for each loss; stored in checkpoints as JSON."""


@runtime_checkable
class Balancing(Protocol):
    """The total loss is ``Σ_k multiplier_k · L_k``, ``L_k`` the mean of loss ``k`` over one optimiser step.

    Multipliers are plain numbers, so no gradient flows through them, and hold for a whole optimiser step, so
    gradient accumulation changes nothing.
    """

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return the multiplier of each loss; ``memory`` is empty before the first step."""

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:
        """Return the memory after a step in which the losses had these means; losses without terms are left out."""


@attrs.frozen(kw_only=True)
class Fixed:
    """Constant multipliers, the weights: ``Σ_k w_k L_k``."""

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:  # noqa: ARG002
        """Return the weights."""
        return dict(weights)

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:  # noqa: ARG002
        """Return the memory unchanged."""
        return memory


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


BALANCINGS: Mapping[str, type[Fixed] | type[Ema]] = {"fixed": Fixed, "ema": Ema}


def make_balancing(given: "str | Mapping[str, object] | Balancing") -> Balancing:
    """Build the balancing of a configuration.

    >>> make_balancing({"name": "ema", "decay": 0.9})
    Ema(decay=0.9, floor=1e-06)

    Args:
        given: ``"fixed"``, ``"ema"`` or ``"module:attribute"``; a table of ``name`` and settings, for example
            ``{"name": "ema", "decay": 0.9}``; or any object of the protocol.

    Raises:
        UnknownNameError: The balancing, or a setting, does not exist.
        ConfigurationError: A setting is out of range, or the object is not a balancing.
    """
    if isinstance(given, str) and not isinstance(given, Given):
        given = {"name": given}
    if not isinstance(given, Mapping):
        return _checked(value_of(given), repr(given))
    settings = dict(given)
    name = str(settings.pop("name", ""))
    if name in BALANCINGS:
        return structure(BALANCINGS[name], settings, f"balancing {name!r}")
    if ":" not in name:
        raise UnknownNameError("balancing", name, BALANCINGS)
    if settings:
        raise ConfigurationError(f"balancing {name!r} is an object of its own and takes no settings, got {settings!r}")
    return _checked(attribute_named("balancing", name), name)


def _checked(candidate: object, name: str) -> Balancing:
    if isinstance(candidate, type) or not isinstance(candidate, Balancing):
        raise ConfigurationError(
            f"balancing {name} is no object with the methods multipliers and remember (see shortstack.distillation.balancing)"
        )
    return candidate
