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
"""Ridge penalties towards equal weights; cross-validation chooses one, the strongest of equals."""


@attrs.frozen(kw_only=True)
class FittedHybridSettings:
    """Settings of ``fitted-hybrid``.

    Attributes:
        scorers: Names of the scorers, one or more.
        fusion: The common scale of the scores; see ``hybrid``.
        examples: Number of calibration examples with a label, from the first on, that the oracle is measured on; where
            there are more, their order matters.
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

    Least squares with a ridge penalty towards equal weights, chosen by leave-one-layer-out cross-validation. A scorer
    that is negatively related to the oracle has weight 0; if no fit predicts better than equal weights, these are used.
    Only calibration examples are used, never those of validation or test.
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
    """Return the mean squared error on each layer of weights fitted to the other layers."""
    import torch

    errors = []
    for layer in range(len(oracle)):
        others = torch.arange(len(oracle)) != layer
        weights = _fitted(parts[others], oracle[others], ridge)
        # weights are fitted to centred values, so a prediction needs the mean added back
        shift = (oracle[others] - parts[others] @ weights).mean() if bool(others.any()) else 0.0
        errors.append(float(parts[layer] @ weights + shift - oracle[layer]) ** 2)
    return sum(errors) / len(errors)


def _fitted(parts: "Tensor", oracle: "Tensor", ridge: float) -> "Tensor":
    """Fit non-negative weights that sum to 1; equal ones if no scorer agrees with the oracle.

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
    # the ridge penalty as further rows of the least-squares problem
    rows = torch.cat([centred, ridge**0.5 * torch.eye(scorers, dtype=torch.float64)])
    weights = torch.from_numpy(nnls(rows.numpy(), torch.cat([target, ridge**0.5 * even]).numpy())[0])
    return weights / weights.sum() if float(weights.sum()) > 0 else even


def build(settings: FittedHybridSettings) -> FittedHybrid:
    """Build the scorer."""
    return FittedHybrid(settings=settings)


DESCRIPTOR = ScorerDescriptor(
    name="fitted-hybrid",
    summary="Several scorers on one scale, with weights fitted to the oracle on a few examples.",
    config=FittedHybridSettings,
    build=build,
    traits=ScorerTraits(lower=None, rank_valued=True),
    reference="Breiman 1996, stacked regressions, 10.1007/BF00117832",
)
