"""Weighted losses, built from a configuration."""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final

import attrs

from shortstack.config.given import Given, value_of
from shortstack.contracts import DistillationLoss, LossDescriptor, LossTraits, Output
from shortstack.distillation.interpolation import between
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
        additive: The sum over all positions is that of the sums over parts of them, as a registered loss promises by its
            trait; the trainer tries it before it computes a loss in chunks.
        sampled: Number of candidates drawn at each step, as the trait says; None for all candidates.
        component: Description of the loss and its origin, for error messages.
        scheduled: Returns the loss with the settings that it has a part of the way through the training, 0 to 1; None
            for a loss that stays the same. All are used with the parameters that the first one prepared.
    """

    name: str
    loss: DistillationLoss = attrs.field()
    weight: float = attrs.field(default=1.0)
    additive: bool = True
    sampled: int | None = attrs.field(default=None)
    component: str = attrs.field()
    scheduled: Callable[[float], DistillationLoss] | None = attrs.field(default=None)

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

    @sampled.validator
    def _is_of_the_student_alone(self, _attribute: object, value: int | None) -> None:
        if value is not None and (value < 1 or self.loss.needs != {Output.STUDENT_LOGITS}):
            raise PluginError(
                f"loss {self.name!r} asks for {value} sampled candidates; there must be at least 1, and only a loss that needs "
                "the student's logits alone can be computed from some"
            )

    @property
    def needs_teacher(self) -> bool:
        """True if the loss needs outputs of a teacher."""
        return any(output.of_teacher for output in self.loss.needs)

    @property
    def needs_states(self) -> bool:
        """True if the loss needs more of a model than logits."""
        return not self.loss.needs <= {Output.STUDENT_LOGITS, Output.TEACHER_LOGITS}


OF_EVERY_LOSS: Final = frozenset({"loss", "weight"})
"""Entries of a loss's table that are no settings of its own."""
LossSettings = Mapping[str, "float | Mapping[str, Any] | Given"] | Mapping[str, object] | Sequence[WeightedLoss]
"""``{"labels": 1.0, "soft-targets": {"weight": 2.0, "temperature": 4.0}, "own": function}``, or a sequence of ``WeightedLoss``."""


def weighted_losses(losses: LossSettings, registry: Registry | None) -> tuple[WeightedLoss, ...]:
    """Build the losses of a configuration.

    Args:
        losses: For each name a weight, a loss object or a function of logits, or a table of ``weight`` (1 by default), ``loss`` (its registered name, or a
            loss; by default the name itself) and the loss's own settings; or ``WeightedLoss`` objects. A setting that is
            a number may be a table ``{"from": 4.0, "to": 1.0}``: it goes in a straight line over the steps.
        registry: Registry of the names; the environment's plugins by default.

    Raises:
        ConfigurationError: There is no loss, two have the same name, or a weight or setting is invalid.
    """
    if isinstance(losses, Mapping):
        unnamed = next((name for name in losses if not isinstance(name, str)), None)
        if unnamed is not None:
            raise ConfigurationError(f"losses takes a table whose names are texts, got the name {unnamed!r}")
        plugins = registry or Registry.from_environment()
        ready = [_built(name, table, plugins) for name, table in losses.items()]
    else:
        ready = list(losses)
        for loss in ready:
            if not isinstance(loss, WeightedLoss):
                raise ConfigurationError(
                    f"a list of losses holds WeightedLoss objects, got {loss!r:.80}; for names give weights, as in {{'labels': 1.0}}"
                )
    names = [loss.name for loss in ready]
    if not names:
        raise ConfigurationError("there is no loss to train on; give at least one, for example {'labels': 1.0}")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"each loss needs a name of its own, got {', '.join(names)}")
    return tuple(ready)


def wanted(losses: Sequence[WeightedLoss]) -> frozenset[Output]:
    """Return the outputs that any loss needs."""
    return frozenset().union(*(loss.loss.needs for loss in losses))


def losses_at(losses: Sequence[WeightedLoss], part: float) -> tuple[WeightedLoss, ...]:
    """Return the losses with the settings that they have a part of the way through the training.

    Args:
        losses: The losses.
        part: 0 at the first step, 1 at the last.
    """
    return tuple(loss if loss.scheduled is None else attrs.evolve(loss, loss=loss.scheduled(part)) for loss in losses)


def named_losses(losses: Mapping[str, object]) -> dict[str, str]:
    """Map the name of each loss to its registered name, or to the given loss object.

    >>> named_losses({"labels": 1.0, "hot": {"loss": "soft-targets", "temperature": 4.0}})
    {'labels': 'labels', 'hot': 'soft-targets'}
    """
    return {name: _table_of(name, table)["loss"] for name, table in losses.items()}


def lines_of(name: str, settings: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the settings of a loss that go in a straight line over the steps, each with its two ends.

    >>> lines_of("soft-targets", {"temperature": {"from": 4, "to": 1}, "weight": 2.0})
    {'temperature': (4.0, 1.0)}

    Raises:
        ConfigurationError: An end is no finite number.
    """
    return {setting: _line(name, setting, value) for setting, value in settings.items() if _is_a_line(value)}


def _built(name: str, given: object, registry: Registry) -> WeightedLoss:
    settings = _table_of(name, given)
    weight, named = settings.pop("weight", 1.0), settings.pop("loss")
    plugin, scheduled = registry.find("loss", named), None
    lines = lines_of(name, settings)
    if lines:
        scheduled = partial(_built_at, registry, named, settings, lines)
        for part in (0.5, 1.0):  # a setting that takes whole numbers only is refused half-way
            scheduled(part)
    loss = registry.build("loss", named, settings) if scheduled is None else scheduled(0.0)
    own = value_of(given)  # a loss given as an object says itself what it promises
    promise = own if isinstance(own, WeightedLoss) else _traits(registry, named, settings)
    with plugin_errors(str(plugin)):
        return WeightedLoss(
            name=name,
            loss=loss,
            weight=weight,
            component=str(plugin),
            scheduled=scheduled,
            additive=promise.additive,
            sampled=promise.sampled,
        )


def _traits(registry: Registry, named: str, settings: Mapping[str, Any]) -> LossTraits:
    """Return what a loss promises with its settings, those that change over the steps at their defaults."""
    descriptor = registry.find("loss", named).descriptor
    fixed = {setting: value for setting, value in settings.items() if not _is_a_line(value)}
    if not isinstance(descriptor, LossDescriptor):  # of a function or an object
        return LossTraits()
    return descriptor.traits_with(registry.configure("loss", named, fixed))


def _built_at(
    registry: Registry, named: str, settings: Mapping[str, Any], lines: Mapping[str, tuple[float, float]], part: float
) -> DistillationLoss:
    loss: DistillationLoss = registry.build(
        "loss", named, {**settings, **{setting: between(*ends, part) for setting, ends in lines.items()}}
    )
    return loss


def _is_a_line(value: object) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"from", "to"}


def _line(name: str, setting: str, value: Mapping[str, Any]) -> tuple[float, float]:
    """Return the two ends of a setting's straight line over the steps."""
    ends = value["from"], value["to"]
    if any(isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end) for end in ends):
        raise ConfigurationError(
            f"the setting {setting!r} of loss {name!r} goes from one number to another over the steps, got {dict(value)!r}"
        )
    return float(ends[0]), float(ends[1])


def _table_of(name: str, given: object) -> dict[str, Any]:
    """Return the table of one loss: ``loss``, its ``weight``, and its own settings."""
    value = value_of(given)
    if isinstance(value, WeightedLoss):
        return {"loss": Given.of(value.loss, name=value.name), "weight": value.weight}
    if isinstance(given, Given):
        return {"loss": given}
    if callable(given) or isinstance(given, LossDescriptor):
        return {"loss": Given.of(given, name=name)}
    table = dict(given) if isinstance(given, Mapping) else {"weight": given}
    named = table.get("loss", name)
    return {**table, "loss": named if isinstance(named, str) else Given.of(named, name=name)}
