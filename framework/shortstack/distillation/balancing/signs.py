"""Losses that must not be negative, for balancings that take their logarithm or their ratio."""

from typing import Final

from shortstack.errors import ConfigurationError

LEAST: Final = 1e-6
"""Lower bound of a loss in a ratio, so that a loss near 0 gives no huge one."""
_ROUNDING: Final = 1e-5
"""Largest negative value that is taken for a rounded 0: a divergence of two equal distributions in float32."""


def not_negative(name: str, mean: float, *, step: int, balancing: str) -> float:
    """Return the mean of a loss, 0 for one that is negative by rounding alone.

    Args:
        name: Name of the loss.
        mean: Its mean.
        step: Number of the optimiser step.
        balancing: Name of the balancing.

    Raises:
        ConfigurationError: The mean is negative.
    """
    if mean < -_ROUNDING:
        raise ConfigurationError(
            f"the loss {name!r} is {mean:g} at step {step}, but balancing {balancing!r} takes no loss that can be negative; "
            "use 'fixed' or 'ema'"
        )
    return max(mean, 0.0)
