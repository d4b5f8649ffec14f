"""Audit of the scores of one model against the oracle."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import torch

from shortstack.audit.agreement import CORRELATIONS, Scores, best_first, overlaps, spearman, with_oracle
from shortstack.contracts import Importance, Probe
from shortstack.evaluation.bootstrap import Values, interval, resampled_means

ORACLE = "drop-loss"
FEW = 12
"""Number of sizes at which the loss of larger models is measured; smaller ones are measured at every size."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Audit:
    """Scores of one model, and the measured effect of leaving layers out.

    Attributes:
        scores: Scorer name → ``(layers,)``.
        probes: Metric name → a probe of the teacher on the calibration examples whose values are that metric, the higher
            the better; ``"loss"`` is among them, as log-probabilities.
        resamples: Number of bootstrap resamples of an interval.
        seed: Seed of the resamples.
    """

    scores: Mapping[str, Scores]
    probes: Mapping[str, Probe]
    resamples: int
    seed: int

    @classmethod
    def of(
        cls, importances: Mapping[str, Importance], probes: Mapping[str, Probe], resamples: int, seed: int
    ) -> "Audit":
        """Make an audit of scorers' results."""
        scores = {name: importance.scores.numpy() for name, importance in importances.items() if name != ORACLE}
        return cls(scores=scores, probes=probes, resamples=resamples, seed=seed)

    @cached_property
    def drops(self) -> dict[str, Values]:
        """Metric → ``(examples, layers)``: the rise of each example's loss, or fall of its metric, without each layer."""
        return {metric: _drops(probe) for metric, probe in self.probes.items()}

    @property
    def oracle(self) -> dict[str, list[float]]:
        """Metric → mean rise of the loss, or fall of the metric, without each layer."""
        return {metric: drops.mean(0).tolist() for metric, drops in self.drops.items()}

    def agreement(self, scorer: str) -> dict[str, Any]:
        """Return correlations with the oracle on each metric, with intervals, and the overlap of kept layers at each size."""
        scores = self.scores[scorer]
        figures: dict[str, Any] = {
            f"{name}/{metric}": with_oracle(scores, drops, measure, self.resamples, self.seed)
            for metric, drops in self.drops.items()
            for name, measure in CORRELATIONS.items()
        }
        return figures | {"overlap": overlaps(scores, self.drops["loss"].mean(0))}

    def between(self) -> dict[str, dict[str, float | None]]:
        """Return Spearman's correlation of every pair of scorers, including the oracle."""
        everyone = {**self.scores, ORACLE: self.drops["loss"].mean(0)}
        return {a: {b: spearman(left, right) for b, right in everyone.items()} for a, left in everyone.items()}

    def losses(self, scores: Scores | Sequence[float], kept: int) -> list[float | None]:
        """Return, for k = 1 … layers, the teacher's calibration loss with the k best layers alone; None where not measured.

        Args:
            scores: ``(layers,)``.
            kept: A size that is always measured.
        """
        order, probe = best_first(scores), self.probes["loss"]
        wanted = {*sizes(len(order)), kept}
        return [
            -float(probe.log_probability(skip=sorted(order[k:])).mean()) if k in wanted else None
            for k in range(1, len(order) + 1)
        ]

    def loss(self, kept: Sequence[int]) -> tuple[float, float, float]:
        """Return the calibration loss with some layers alone, and its interval over examples."""
        probe = self.probes["loss"]
        losses = -probe.log_probability(skip=[n for n in range(probe.layers) if n not in kept]).numpy()
        means = resampled_means(losses[:, None], np.arange(len(losses)), self.resamples, self.seed)
        ends = interval(means[:, 0]) or (float("nan"), float("nan"))
        return float(losses.mean()), *ends


def sizes(layers: int) -> set[int]:
    """Return the sizes to measure: all for few layers; for many, about a dozen in a geometric sequence.

    >>> sorted(sizes(30))
    [1, 2, 3, 5, 6, 9, 12, 16, 22, 30]
    """
    return {*range(1, layers + 1)} if layers <= FEW else {*np.geomspace(1, layers, FEW).round().astype(int).tolist()}


def _drops(probe: Probe) -> Values:
    whole = probe.log_probability()
    without = [probe.log_probability(skip=[layer]) for layer in range(probe.layers)]
    drops: Values = (whole[:, None] - torch.stack(without, 1)).numpy()
    return drops
