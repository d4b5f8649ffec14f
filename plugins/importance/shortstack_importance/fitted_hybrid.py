"""Fitted hybrid: several scorers on one scale, with weights fitted to the oracle on a few examples."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.contracts import Importance, Probe, ScorerDescriptor, ScorerTraits
from shortstack.errors import ConfigurationError
from shortstack_importance.drop_loss import DropLoss
from shortstack_importance.hybrid import SCALES, Fusion, scaled

if TYPE_CHECKING:
    from torch import Tensor

RIDGES: Final = (float("inf"), 10.0, 1.0, 0.1, 0.01, 0.0)
"""How strongly weights are drawn to even ones; cross-validation chooses, the strongest of equals."""


@attrs.frozen(kw_only=True)
class FittedHybridSettings:
    """What is fused, and what it is fitted on.

    Attributes:
        scorers: Names of the scorers, one or more.
        fusion: How they are brought to one scale; see ``hybrid``.
        examples: The oracle is measured on the first so many calibration examples that have a label: where there are more,
            their order matters.
    """

    scorers: tuple[str, ...] = attrs.field(
        default=("fisher", "attention", "gradient"), validator=attrs.validators.min_len(1)
    )
    fusion: Fusion = attrs.field(default="rank", validator=attrs.validators.in_(tuple(SCALES)))
    examples: int = attrs.field(default=64, validator=attrs.validators.ge(1))

    @scorers.validator
    def _each_once(self, _attribute: object, scorers: tuple[str, ...]) -> None:
        for name in scorers:
            if scorers.count(name) > 1:
                raise ConfigurationError(f"fitted-hybrid has the scorer {name!r} twice; name each once")


@attrs.frozen(kw_only=True)
class FittedHybrid:
    """``Σ_k w_k · scale(scores_k) / Σ_k w_k`` with ``w ≥ 0`` nearest to ``scale(drop-loss)``.

    Least squares with a ridge towards even weights; the ridge is the one whose fit to all layers but one best predicts
    the layer left out. A scorer that goes against the oracle has no weight; if no fit predicts better than even weights, they
    are even. Only calibration examples are used, which are never those of validation or test.
    """

    settings: FittedHybridSettings

    @property
    def needs_scores(self) -> tuple[str, ...]:
        """See ``DerivedScorer``."""
        return self.settings.scorers

    def combine(self, scores: Mapping[str, Importance], probe: Probe) -> Importance:
        """See ``DerivedScorer``; costs ``drop-loss`` on a few examples."""
        import torch

        scale, few = SCALES[self.settings.fusion], probe.few(self.settings.examples)
        parts = torch.stack([scaled(scores[name].scores, scale) for name in self.needs_scores], 1)
        oracle = scaled(DropLoss().measure(few).scores, scale)
        errors = {ridge: _cross_validated(parts, oracle, ridge) for ridge in RIDGES}
        ridge = min(RIDGES, key=lambda ridge: errors[ridge])
        weights = _fitted(parts, oracle, ridge)
        details = {f"weight of {name}": float(w) for name, w in zip(self.needs_scores, weights, strict=True)}
        details |= {
            "cross-validated error": errors[ridge],
            "cross-validated error of even weights": errors[RIDGES[0]],
            "examples of the oracle": few.examples,
        }
        examples = max(scores[name].examples for name in self.needs_scores)
        return Importance(scores=parts @ weights, examples=examples, details=details)


def _cross_validated(parts: "Tensor", oracle: "Tensor", ridge: float) -> float:
    """The mean squared error on each layer of the weights fitted to the others."""
    import torch

    errors = []
    for layer in range(len(oracle)):
        others = torch.arange(len(oracle)) != layer
        weights = _fitted(parts[others], oracle[others], ridge)
        shift = (oracle[others] - parts[others] @ weights).mean() if bool(others.any()) else 0.0
        errors.append(float(parts[layer] @ weights + shift - oracle[layer]) ** 2)
    return sum(errors) / len(errors)


def _fitted(parts: "Tensor", oracle: "Tensor", ridge: float) -> "Tensor":
    """Weights at least 0 that sum to 1; even ones if nothing agrees with the oracle.

    Args:
        parts: ``(layers, scorers)``.
        oracle: ``(layers,)``.
        ridge: See ``RIDGES``.
    """
    import torch
    from scipy.optimize import nnls

    scorers = parts.shape[1]
    even = torch.full((scorers,), 1 / scorers, dtype=torch.float64)
    if ridge == float("inf") or not len(oracle):
        return even
    centred, target = parts - parts.mean(0), oracle - oracle.mean()
    rows = torch.cat([centred, ridge**0.5 * torch.eye(scorers, dtype=torch.float64)])
    weights = torch.from_numpy(nnls(rows.numpy(), torch.cat([target, ridge**0.5 * even]).numpy())[0])
    return weights / weights.sum() if float(weights.sum()) > 0 else even


def build(settings: FittedHybridSettings) -> FittedHybrid:
    """The scorer."""
    return FittedHybrid(settings=settings)


DESCRIPTOR = ScorerDescriptor(
    name="fitted-hybrid",
    summary="Several scorers on one scale, with weights fitted to the oracle on a few examples.",
    config=FittedHybridSettings,
    build=build,
    traits=ScorerTraits(lower=None, rank_valued=True),
    reference="Breiman 1996, stacked regressions, 10.1007/BF00117832",
)
