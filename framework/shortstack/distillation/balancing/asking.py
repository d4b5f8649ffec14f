"""Questions to a balancing, whose answers are checked and whose errors are its own."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, SupportsFloat

from shortstack.distillation.balancing.contract import AnyBalancing, Memory, StepBalancing, TrainedStep
from shortstack.errors import PluginError
from shortstack.registry.isolation import plugin_errors, written_in


def checked_multipliers(
    balancing: AnyBalancing, weights: Mapping[str, float], memory: Memory, *, step: int
) -> dict[str, float]:
    """Return the multiplier of each loss at a step, in the order of the weights.

    Args:
        balancing: The balancing.
        weights: Weight of each loss.
        memory: Its memory.
        step: Number of the optimiser step, from 1.

    Raises:
        PluginError: The balancing failed, or gives a loss no multiplier, or one that is negative or not finite.
    """
    with _blaming(balancing):
        given = balancing.multipliers(weights, memory)
        return {name: _number(given, name, step, written_in(balancing)) for name in weights}


def remembered(balancing: AnyBalancing, memory: Memory, step: TrainedStep) -> Memory:
    """Return a balancing's memory after a step.

    Raises:
        PluginError: The balancing failed.
    """
    with _blaming(balancing):
        if isinstance(balancing, StepBalancing):
            return balancing.learn(memory, step)
        return balancing.remember(memory, step.means)


def measures_gradients(balancing: AnyBalancing) -> bool:
    """Return True if a balancing reads the gradient norms of losses."""
    return isinstance(balancing, StepBalancing) and bool(balancing.measures_gradients)


def _blaming(balancing: AnyBalancing) -> AbstractContextManager[None]:
    return plugin_errors(f"balancing {written_in(balancing)}")


def _number(given: Any, name: str, step: int, where: str) -> float:
    if not isinstance(given, Mapping) or name not in given:
        raise PluginError(
            f"balancing {where} gives the loss {name!r} no weight at step {step}, but {given!r:.80}; "
            "multipliers returns a number for each loss"
        )
    value = given[name]
    number = float(value) if isinstance(value, SupportsFloat) else math.nan
    if not 0 <= number < math.inf:
        raise PluginError(
            f"balancing {where} gives the loss {name!r} the weight {value!r:.80} at step {step}; a weight is a finite "
            "number of 0 or above"
        )
    return number
