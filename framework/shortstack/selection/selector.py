"""``AdaptiveLayerSelector``: selects the kept layers from scores and a budget."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.config.budget import MEASURES, Budget, Cost, costs_by_measure
from shortstack.config.resolve import named_object
from shortstack.contracts import Importance, Probe, Selection
from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.registry.isolation import plugin_errors, written_in
from shortstack.selection.probe_strategies import Adaptive, Greedy, RememberingProbe
from shortstack.selection.strategies import (
    Choice,
    Contiguous,
    Distributed,
    Ends,
    First,
    Last,
    Question,
    Random,
    Strategic,
    Strategy,
    TopK,
    Uniform,
)

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.config.run_tables import SelectionSettings

__all__ = ["STRATEGIES", "AdaptiveLayerSelector", "Budget", "Cost", "strategy_named"]

STRATEGIES: Final[Mapping[str, type]] = {
    kind.name: kind
    for kind in (TopK, Distributed, Strategic, Contiguous, Greedy, Adaptive, First, Last, Ends, Uniform, Random)
}


def strategy_named(name: str, settings: Mapping[str, object] | None = None) -> Strategy:
    """Return a strategy by its name, or by ``module:attribute``.

    Args:
        name: For example ``"strategic"``; or the import path of a class of settings, ``"my_package:MyStrategy"``.
        settings: Values of its settings, for example ``{"seed": 3}`` for ``random``.

    Raises:
        UnknownNameError: The strategy, or a setting, does not exist; suggests the nearest name.
        ConfigurationError: A setting has an invalid value.

    >>> strategy_named("random", {"seed": 3})
    Random(seed=3)
    """
    values = dict(settings or {})
    if name == Adaptive.name and isinstance(values.get("by"), str):  # in a file it can only be a name
        values["by"] = strategy_named(str(values["by"]))
    strategy = named_object("strategy", name, STRATEGIES, values)
    if not isinstance(strategy, Strategy):
        raise ConfigurationError(
            f"strategy {name!r} must have name, keeps and choose, see shortstack.selection.strategies.Strategy"
        )
    return strategy


def _strategy(value: str | Strategy) -> Strategy:
    if isinstance(value, str):
        return strategy_named(value)
    if not isinstance(value, Strategy):
        raise ConfigurationError(f"a strategy has name, keeps and choose, or is a name; got {value!r}")
    return value


@attrs.frozen
class AdaptiveLayerSelector:
    """Selects the kept layers.

    Attributes:
        strategy: A name (see ``STRATEGIES``), or any object of the ``Strategy`` protocol.
        budget: Limit of what remains.

    >>> selector = AdaptiveLayerSelector(strategy="strategic", budget=Budget(keep_layers=3))
    >>> selector.select([0.1, 0.5, 0.9, 0.2]).kept
    (0, 2, 3)
    """

    strategy: Strategy = attrs.field(factory=Strategic, converter=_strategy)
    budget: Budget = attrs.field(factory=lambda: Budget(keep_ratio=0.25))

    def select(
        self,
        scores: "Importance | Tensor | Sequence[float]",
        *,
        costs: Mapping[str, Cost] | Cost | None = None,
        probe: Probe | None = None,
    ) -> Selection:
        """Return the kept layers. Deterministic; ties go to the lowest index.

        Args:
            scores: One per layer, ``(layers,)``; higher means keep.
            costs: Costs of the layers, by measure or in the one that the budget limits; see ``costs_of``.
            probe: Measures the teacher without some layers; required by ``greedy`` and ``adaptive``.

        Raises:
            NonFiniteError: A score is NaN or infinite.
            ConfigurationError: The lengths differ, a needed argument is missing, or not even one layer fits.
            PluginError: The strategy failed.
        """
        remembering = None if probe is None else RememberingProbe(probe=probe)
        question = Question(scores=_finite(scores), probe=remembering)
        choice = self._fitting(question, costs_by_measure(costs, self.budget, question.layers))
        return Selection(
            kept=choice.kept,
            of=question.layers,
            strategy=self.strategy.name,
            budget=self.budget.describe(of=question.layers),
            reason=choice.reason,
            forwards=0 if remembering is None else remembering.passes,
        )

    def _fitting(self, question: Question, cost: Cost | None) -> Choice:
        """Return the largest choice within the budget."""
        # layers differ in cost, so what fits is only known for a choice
        for keep in range(self.budget.layers(of=question.layers), 0, -1):
            choice = self._checked_choice(question, keep)
            if cost is None or cost.of(choice.kept) <= self.budget.limit(cost):
                return choice
        assert cost is not None, "a budget of layers allows at least one"  # noqa: S101 -- for the type checker
        limit, what = self.budget.limit(cost), MEASURES[str(self.budget.measure)]
        raise ConfigurationError(
            f"a budget of {limit:,} {what} is too small: the smallest student by {self.strategy.name!r} has "
            f"{cost.of(choice.kept):,}; allow at least that"
        )

    def _checked_choice(self, question: Question, keep: int) -> Choice:
        with plugin_errors(f"strategy {self.strategy.name!r} ({written_in(self.strategy)})"):
            choice = self.strategy.choose(question, keep)
        inside = all(0 <= layer < question.layers for layer in choice.kept)
        if not 1 <= len(set(choice.kept)) == len(choice.kept) <= keep or not inside:
            raise ConfigurationError(
                f"strategy {self.strategy.name!r} must keep 1 to {keep} distinct layers of 0 … {question.layers - 1}, "
                f"got {list(choice.kept)}"
            )
        return choice


def _finite(scores: "Importance | Tensor | Sequence[float]") -> tuple[float, ...]:
    values = scores.scores if isinstance(scores, Importance) else scores
    plain = values if isinstance(values, list | tuple) else values.tolist()  # type: ignore[union-attr]
    if not isinstance(plain, list | tuple) or not plain or not all(isinstance(v, int | float) for v in plain):
        raise ConfigurationError(f"scores must be one number a layer, got {plain!r}")
    for layer, value in enumerate(plain):
        if not isfinite(value):
            raise NonFiniteError(f"the score of layer {layer} is {value}; every layer needs a finite score")
    return tuple(float(value) for value in plain)


def selector_for(settings: "SelectionSettings") -> AdaptiveLayerSelector:
    """Build the selector that ``[selection]`` describes.

    Raises:
        ConfigurationError: The strategy is unknown, or the budget is not allowed.
    """
    strategy = strategy_named(settings.strategy, settings.settings)
    return AdaptiveLayerSelector(strategy=strategy, budget=settings.budget)
