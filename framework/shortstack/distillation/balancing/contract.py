"""The contract of balancings: the multiplier of each loss at the next optimiser step, from a memory of plain numbers."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import attrs

Memory = Mapping[str, tuple[float, ...]]
"""State of a balancing, a few numbers for each loss; stored in checkpoints as JSON."""


@attrs.frozen(kw_only=True)
class TrainedStep:
    """What is known of an optimiser step when it has been made, over all micro-batches and ranks.

    Attributes:
        number: Number of the step, from 1.
        steps: Number of steps of the whole training.
        weights: Weight of each loss, as set.
        multipliers: Multiplier that each loss had at this step.
        means: Mean of each loss before its multiplier; losses without terms are left out.
        gradient_norms: Norm of the gradient of each of those means with respect to the trained parameters of the
            student's first layer; empty if it was not measured.
    """

    number: int
    steps: int
    weights: Mapping[str, float]
    multipliers: Mapping[str, float]
    means: Mapping[str, float]
    gradient_norms: Mapping[str, float] = attrs.field(factory=dict)


@runtime_checkable
class Balancing(Protocol):
    """The total loss is ``Σ_k multiplier_k · L_k``, ``L_k`` the mean of loss ``k`` over one optimiser step.

    Multipliers are plain numbers, so no gradient flows through them, and hold for a whole optimiser step, so
    gradient accumulation changes nothing. They are finite and not below 0.
    """

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return the multiplier of each loss; ``memory`` is empty before the first step."""

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:
        """Return the memory after a step in which the losses had these means; losses without terms are left out."""


@runtime_checkable
class StepBalancing(Protocol):
    """A ``Balancing`` that learns from more of a step than the means.

    Attributes:
        measures_gradients: Whether it reads ``TrainedStep.gradient_norms``, which cost a backward pass for each loss.
    """

    measures_gradients: bool

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:
        """Return the multiplier of each loss; ``memory`` is empty before the first step."""

    def learn(self, memory: Memory, step: TrainedStep) -> Memory:
        """Return the memory after a step."""


AnyBalancing = Balancing | StepBalancing
