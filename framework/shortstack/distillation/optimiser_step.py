"""The losses of one optimiser step over all micro-batches and ranks, and their log."""

import math
from collections.abc import Mapping, Sequence
from time import perf_counter

import attrs
import torch
from torch import Tensor

from shortstack.distillation.balancing import TrainedStep
from shortstack.distillation.gradient_norms import GradientNorms
from shortstack.distillation.weighted_losses import WeightedLoss
from shortstack.errors import DataError, EmptyDataError, NonFiniteError
from shortstack.registry.isolation import plugin_errors


@attrs.define(kw_only=True, eq=False)
class OptimiserStep:
    """The micro-batches of one optimiser step.

    Attributes:
        counts: float64 ``(losses + 1,)``, over all ranks: the number of terms of every loss, then of labels that are
            not candidates.
        multipliers: Multiplier of every loss, in the order of the losses.
        scales: float64 ``(losses,)``: factor of every sum: its multiplier over its count.
        sums: float64 ``(losses,)``: every loss's sum so far.
        batches: The micro-batches on this rank.
        pending: Number of outstanding micro-batches.
        gradients: The losses' gradients so far; None if they are not measured at this step.
    """

    counts: Tensor
    multipliers: Mapping[str, float]
    scales: Tensor
    sums: Tensor
    batches: Sequence[Mapping[str, Tensor]]
    pending: int
    gradients: GradientNorms | None = None

    @classmethod
    def open(
        cls,
        *,
        counts: Tensor,
        multipliers: Mapping[str, float],
        batches: Sequence[Mapping[str, Tensor]],
        gradients: GradientNorms | None = None,
    ) -> "OptimiserStep":
        """Return the step before its first micro-batch."""
        terms = counts[:-1].clamp_min(1.0)  # a loss without terms has the sum 0, which must not become 0 / 0
        factors = torch.tensor([*multipliers.values()], dtype=torch.float64, device=counts.device)
        return cls(
            counts=counts,
            multipliers=multipliers,
            scales=factors / terms,
            sums=torch.zeros_like(terms),
            batches=batches,
            pending=len(batches),
            gradients=gradients,
        )

    def means(self, losses: Sequence[WeightedLoss], *, number: int) -> dict[str, float]:
        """Return every loss's mean; losses without terms are left out.

        Raises:
            NonFiniteError: A loss is NaN or infinite.
            DataError: A label is not a candidate.
            EmptyDataError: No loss has any term.
        """
        # one transfer from the device for all of it
        *numbers, strays = torch.cat([self.sums, self.counts]).tolist()
        sums, counts = numbers[: len(losses)], numbers[len(losses) :]
        if strays:
            raise DataError(
                f"{strays:.0f} labels of step {number} are not among the candidates; every label must be one"
            )
        for loss, value in zip(losses, sums, strict=True):
            if not math.isfinite(value):
                with plugin_errors(loss.component):
                    raise NonFiniteError(
                        f"the loss {loss.name!r} is {value} at step {number}; "
                        "lower the learning rate, or check the teacher"
                    )
        if not any(counts):
            raise EmptyDataError(f"no loss has a term at step {number}: the batch holds no supervised position")
        return {loss.name: value / count for loss, value, count in zip(losses, sums, counts, strict=True) if count}


class LossLog:
    """Running means of what was measured of each loss since the last log, and a clock that continues after a resume."""

    def __init__(self) -> None:
        """Create an empty log."""
        self._seen: dict[str, list[float]] = {}
        self._started: float | None = None

    def add(self, step: TrainedStep) -> None:
        """Add one optimiser step."""
        measured = {"loss": step.means, "weight": step.multipliers, "gradient_norm": step.gradient_norms}
        for kind, values in measured.items():
            for name, value in values.items():
                self._seen.setdefault(f"{kind}/{name}", []).append(value)

    def take(self) -> dict[str, float]:
        """Return means since the last call, and reset them.

        Keys: ``loss/NAME``, the loss itself; ``weight/NAME``, its multiplier; ``gradient_norm/NAME``, at the steps at
        which it was measured. Losses without terms have the weight alone.

        >>> log = LossLog()
        >>> for number in (1, 2):
        ...     known = {"number": number, "steps": 2, "weights": {"labels": 1.0}, "multipliers": {"labels": 0.5}}
        ...     log.add(TrainedStep(**known, means={"labels": float(number)}))
        >>> log.take()
        {'loss/labels': 1.5, 'weight/labels': 0.5}
        """
        means = {name: sum(seen) / len(seen) for name, seen in self._seen.items()}
        self._seen = {}
        return means

    def start(self, log_history: Sequence[Mapping[str, float]]) -> None:
        """Set the clock to the last logged time; 0 if there is none."""
        before = log_history[-1]["seconds"] if log_history else 0.0
        self._started = perf_counter() - before

    def seconds(self) -> float:
        """Return the seconds of training so far, those before a resume included; 0 if it has not begun."""
        return 0.0 if self._started is None else perf_counter() - self._started
