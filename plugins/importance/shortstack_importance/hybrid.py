"""Hybrid: a weighted mean of several scorers on a common scale."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import attrs

from shortstack.contracts import Importance, Probe, ScorerDescriptor, ScorerTraits
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

Fusion = Literal["rank", "min-max", "z"]


def _even() -> Mapping[str, float]:
    return {"fisher": 1.0, "attention": 1.0, "gradient": 1.0}


@attrs.frozen(kw_only=True)
class HybridSettings:
    """Settings of ``hybrid``.

    Attributes:
        weights: Scorer name → weight, at least 0; only the proportions matter.
        fusion: ``"rank"`` counts layers with lower scores, ties halved; ``"min-max"`` maps onto [0, 1]; ``"z"`` gives
            standard deviations from the mean.
    """

    weights: Mapping[str, float] = attrs.field(factory=_even)
    fusion: Fusion = attrs.field(default="rank", validator=attrs.validators.in_(("rank", "min-max", "z")))

    @weights.validator
    def _a_share_each(self, _attribute: object, weights: Mapping[str, float]) -> None:
        if not weights or any(not 0 <= w < float("inf") for w in weights.values()) or not any(weights.values()):
            raise ConfigurationError(
                f"hybrid weights must be finite, at least 0 and not all 0, got {dict(weights)}; "
                "write for example {'fisher': 1.0, 'attention': 1.0}"
            )


@attrs.frozen(kw_only=True)
class Hybrid:
    """``Σ_k w_k · scale(scores_k) / Σ_k w_k``; scores that are the same for all layers count 0."""

    weights: Mapping[str, float]
    scale: Callable[["Tensor"], "Tensor"]

    @property
    def needs_scores(self) -> tuple[str, ...]:
        """See ``DerivedScorer``: every scorer with a positive weight."""
        return tuple(name for name, weight in self.weights.items() if weight)

    def combine(self, scores: Mapping[str, Importance], probe: Probe) -> Importance:  # noqa: ARG002 -- given weights
        """See ``DerivedScorer``."""
        import torch

        parts = [self.weights[name] * scaled(scores[name].scores, self.scale) for name in self.needs_scores]
        fused = torch.stack(parts).sum(0) / sum(self.weights.values())
        return Importance(scores=fused, examples=max(scores[name].examples for name in self.needs_scores))


def build(settings: HybridSettings) -> Hybrid:
    """Build the scorer."""
    return Hybrid(weights=settings.weights, scale=SCALES[settings.fusion])


def scaled(scores: "Tensor", scale: Callable[["Tensor"], "Tensor"]) -> "Tensor":
    """Return the scores on a common scale; all 0 if they do not differ."""
    return scale(scores) if bool(scores.max() > scores.min()) else scores * 0


def by_rank(scores: "Tensor") -> "Tensor":
    """Return ``(#lower + ½ #equal others) / (layers − 1)``, within [0, 1].

    >>> import torch
    >>> by_rank(torch.tensor([3.0, 1.0, 1.0])).tolist()
    [1.0, 0.25, 0.25]
    """
    lower = (scores[None] < scores[:, None]).sum(-1)
    equal = (scores[None] == scores[:, None]).sum(-1) - 1
    return (lower + equal / 2).double() / (len(scores) - 1)


def by_range(scores: "Tensor") -> "Tensor":
    """Return ``(x − min) / (max − min)``."""
    return (scores - scores.min()) / (scores.max() - scores.min())


def by_deviation(scores: "Tensor") -> "Tensor":
    """Return ``(x − mean) / standard deviation``, with the population's standard deviation."""
    return (scores - scores.mean()) / scores.std(correction=0)


SCALES: Mapping[Fusion, Callable[["Tensor"], "Tensor"]] = {"rank": by_rank, "min-max": by_range, "z": by_deviation}

DESCRIPTOR = ScorerDescriptor(
    name="hybrid",
    summary="Several scorers on one scale, averaged with weights.",
    config=HybridSettings,
    build=build,
    traits=ScorerTraits(lower=None, rank_valued=True),
    reference="Borda count: Dwork et al. 2001, 10.1145/371920.372165",
)
