"""How several losses become one number: by what each is multiplied at the next optimiser step."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import attrs
from attrs import validators

from shortstack.config.given import Given, value_of
from shortstack.config.reader import structure
from shortstack.config.resolve import attribute_named
from shortstack.errors import ConfigurationError, UnknownNameError

Memory = Mapping[str, tuple[float, ...]]
"""What a balancing remembers, a few numbers for each loss; it goes into checkpoints as JSON."""


@runtime_checkable
class Balancing(Protocol):
    """The total loss is ``Σ_k multiplier_k · L_k``, ``L_k`` the mean of loss ``k`` over one optimiser step.

    Multipliers are plain numbers, so no gradient flows through them, and hold for a whole optimiser step, so
    gradient accumulation changes nothing.
    """

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """What each loss is multiplied by; ``memory`` is empty before the first step."""

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:
        """The memory after a step in which the losses had these means; losses without terms are left out."""


@attrs.frozen(kw_only=True)
class Fixed:
    """The weights as they are: ``Σ_k w_k L_k``."""

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:  # noqa: ARG002
        """The weights."""
        return dict(weights)

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:  # noqa: ARG002
        """Nothing new."""
        return memory


@attrs.frozen(kw_only=True)
class Ema:
    """Each loss over its running magnitude, so that weights mean shares: ``Σ_k w_k L_k / m_k / Σ_k w_k``.

    ``m_k`` is the exponential mean of ``|L_k|`` over the steps so far, corrected for its start; 1 at the first step.
    The total stays near 1, whatever the losses' own sizes.

    Attributes:
        decay: How much of the mean is kept at each step; 0.98 looks back about 50 steps.
        floor: The least that a magnitude counts for, so that a loss that is all but 0 does not blow up.
    """

    decay: float = attrs.field(default=0.98, validator=[validators.ge(0.0), validators.lt(1.0)])
    floor: float = attrs.field(default=1e-6, validator=validators.gt(0.0))

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Each weight's share, over its loss's running magnitude."""
        total = sum(weights.values())
        return {name: weight / total / self._magnitude(memory, name) for name, weight in weights.items()}

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:
        """One more step in the running magnitudes."""
        moved = {name: self._move(memory.get(name, (0.0, 0.0)), abs(mean)) for name, mean in means.items()}
        return {**memory, **moved}

    def _move(self, remembered: tuple[float, ...], value: float) -> tuple[float, float]:
        """The discounted sum of magnitudes and of their weights: their quotient is the corrected mean."""
        total, mass = remembered
        return self.decay * total + (1 - self.decay) * value, self.decay * mass + (1 - self.decay)

    def _magnitude(self, memory: Memory, name: str) -> float:
        if name not in memory:
            return 1.0
        total, mass = memory[name]
        return max(total / mass, self.floor)


BALANCINGS: Mapping[str, type[Fixed] | type[Ema]] = {"fixed": Fixed, "ema": Ema}


def make_balancing(given: "str | Mapping[str, object] | Balancing") -> Balancing:
    """The balancing that a configuration means.

    Args:
        given: ``"fixed"``, ``"ema"`` or ``"module:attribute"``; a table of ``name`` and settings, for example
            ``{"name": "ema", "decay": 0.9}``; or any object of the protocol.

    Raises:
        UnknownNameError: There is no such balancing, or no such setting.
        ConfigurationError: A setting is out of range, or the object is no balancing.
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
