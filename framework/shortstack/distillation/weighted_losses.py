"""Weighted losses, built from a configuration."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from shortstack.config.given import Given, value_of
from shortstack.contracts import DistillationLoss, Output
from shortstack.errors import ConfigurationError, PluginError
from shortstack.registry import Registry
from shortstack.registry.isolation import plugin_errors, written_in


@attrs.frozen(kw_only=True, eq=False)
class WeightedLoss:
    """A loss and its weight.

    Attributes:
        name: Name in logs.
        loss: The loss.
        weight: Weight above 0; the balancing defines its meaning.
        component: Description of the loss and its origin, for error messages.
    """

    name: str
    loss: DistillationLoss = attrs.field()
    weight: float = attrs.field(default=1.0)
    component: str = attrs.field()

    @component.default
    def _named_by_class(self) -> str:
        return f"distillation loss {self.name!r} ({written_in(self.loss)})"

    @loss.validator
    def _is_a_loss(self, _attribute: object, value: object) -> None:
        if not isinstance(value, DistillationLoss):
            raise ConfigurationError(
                f"loss {self.name!r} is no distillation loss but {value!r:.80}; see shortstack.contracts.losses"
            )
        if not isinstance(value.needs, AbstractSet) or not all(isinstance(output, Output) for output in value.needs):
            raise PluginError(
                f"loss {self.name!r} needs {value.needs!r:.80}, which is no set of shortstack.contracts.Output"
            )

    @weight.validator
    def _is_a_weight(self, _attribute: object, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ConfigurationError(f"the weight of loss {self.name!r} must be a number above 0, got {value!r}")

    @property
    def needs_teacher(self) -> bool:
        """True if the loss needs outputs of a teacher."""
        return any(output.of_teacher for output in self.loss.needs)


LossSettings = Mapping[str, "float | Mapping[str, Any] | Given"] | Mapping[str, object] | Sequence[WeightedLoss]
"""``{"labels": 1.0, "soft-targets": {"weight": 2.0, "temperature": 4.0}}``, or a sequence of ``WeightedLoss``."""


def weighted_losses(losses: LossSettings, registry: Registry | None) -> tuple[WeightedLoss, ...]:
    """Build the losses of a configuration.

    Args:
        losses: For each name a weight, or a table of ``weight`` (1 by default), ``loss`` (its registered name, or a
            loss; by default the name itself) and the loss's own settings; or ``WeightedLoss`` objects.
        registry: Registry of the names; the environment's plugins by default.

    Raises:
        ConfigurationError: There is no loss, two have the same name, or a weight or setting is invalid.
    """
    if isinstance(losses, Mapping):
        plugins = registry or Registry.from_environment()
        ready = [_built(name, table, plugins) for name, table in losses.items()]
    else:
        ready = list(losses)
    names = [loss.name for loss in ready]
    if not names:
        raise ConfigurationError("there is no loss to train on; give at least one, for example {'labels': 1.0}")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"each loss needs a name of its own, got {', '.join(names)}")
    return tuple(ready)


def wanted(losses: Sequence[WeightedLoss]) -> frozenset[Output]:
    """Return the outputs that any loss needs."""
    return frozenset().union(*(loss.loss.needs for loss in losses))


def named_losses(losses: Mapping[str, object]) -> dict[str, str]:
    """Map the name of each loss to its registered name, or to the given loss object.

    >>> named_losses({"labels": 1.0, "hot": {"loss": "soft-targets", "temperature": 4.0}})
    {'labels': 'labels', 'hot': 'soft-targets'}
    """
    return {name: _table_of(name, table)["loss"] for name, table in losses.items()}


def _built(name: str, given: object, registry: Registry) -> WeightedLoss:
    settings = _table_of(name, given)
    weight, named = settings.pop("weight", 1.0), settings.pop("loss")
    loss, component = registry.build("loss", named, settings), str(registry.find("loss", named))
    with plugin_errors(component):
        return WeightedLoss(name=name, loss=loss, weight=weight, component=component)


def _table_of(name: str, given: object) -> dict[str, Any]:
    """Return the table of one loss: ``loss``, its ``weight``, and its own settings."""
    value = value_of(given)
    if isinstance(value, WeightedLoss):
        return {"loss": Given.of(value.loss, name=value.name), "weight": value.weight}
    if isinstance(given, Given):
        return {"loss": given}
    table = dict(given) if isinstance(given, Mapping) else {"weight": given}
    named = table.get("loss", name)
    return {**table, "loss": named if isinstance(named, str) else Given.of(named, name=name)}
