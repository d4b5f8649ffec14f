"""Balancing ``linear``: weights that move in a straight line over the training."""

from collections.abc import Mapping
from typing import ClassVar

import attrs

from shortstack.distillation.balancing.contract import Memory, TrainedStep
from shortstack.distillation.interpolation import between, part_done
from shortstack.errors import ConfigurationError, UnknownNameError


@attrs.frozen(kw_only=True)
class Linear:
    """Weights that go in a straight line from ``start`` at the first step to ``end`` at the last.

    A loss that is not in ``start``, or not in ``end``, has its own weight there.

    Attributes:
        start: Loss → its weight at the first step, 0 or above.
        end: Loss → its weight at the last of the training's steps, 0 or above.
    """

    measures_gradients: ClassVar[bool] = False
    start: Mapping[str, float] = attrs.field(factory=dict)
    end: Mapping[str, float] = attrs.field(factory=dict)

    @start.validator
    @end.validator
    def _are_weights(self, attribute: "attrs.Attribute[Mapping[str, float]]", value: Mapping[str, float]) -> None:
        for name, weight in value.items():
            if not 0 <= weight < float("inf"):
                raise ConfigurationError(
                    f"balancing 'linear' takes weights of 0 and above, got {attribute.name}.{name} = {weight!r}"
                )

    def __attrs_post_init__(self) -> None:
        if not self.start and not self.end:
            raise ConfigurationError(
                "balancing 'linear' needs weights to go between, for example start = { labels = 1.0 }, end = { labels = 0.5 }"
            )

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return the weights of the next step.

        >>> Linear(end={"labels": 1.0}).multipliers({"labels": 3.0}, {"labels": (0.25,)})
        {'labels': 2.5}

        Raises:
            UnknownNameError: ``start`` or ``end`` names a loss that is not trained on.
            ConfigurationError: All weights are 0 at the first step, or at the last.
        """
        first, last = self._whole("start", self.start, weights), self._whole("end", self.end, weights)
        return {name: between(first[name], last[name], *memory.get(name, (0.0,))) for name in weights}

    def learn(self, memory: Memory, step: TrainedStep) -> Memory:  # noqa: ARG002
        """Return for each loss the part of the way on which the next step lies, 0 to 1."""
        return dict.fromkeys(step.weights, (part_done(step.number + 1, step.steps),))

    def _whole(self, end: str, given: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
        for name in given:
            if name not in weights:
                raise UnknownNameError(f"loss in {end} of balancing 'linear':", name, weights)
        whole = {**weights, **given}
        if not any(whole.values()):
            raise ConfigurationError(
                f"balancing 'linear' gives every loss the weight 0 at its {end}, so nothing is learnt; give one more"
            )
        return whole
