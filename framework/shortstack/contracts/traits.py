"""Promises a component makes; a conformance kit can check each of them."""

from typing import Literal

import attrs


@attrs.frozen(kw_only=True)
class ScorerTraits:
    """What a scorer promises.

    Attributes:
        lower: No score is below this, exactly; None for no bound.
        upper: No score is above this, exactly; None for no bound.
        averages_over: What one term of the mean is; ``"nothing"`` for scores read off the weights.
        needs_labels: Whether the labels change the scores.
        identity_is_zero: A layer that leaves its input as it is scores 0.
        function_only: Rescaling weights without changing the function leaves the scores.
        rank_valued: The scores are ranks, or fused from ranks.
    """

    lower: float | None = None
    upper: float | None = None
    averages_over: Literal["examples", "tokens", "queries", "nothing"] = "examples"
    needs_labels: bool = True
    identity_is_zero: bool = False
    function_only: bool = False
    rank_valued: bool = False


@attrs.frozen(kw_only=True)
class LossTraits:
    """What a loss promises.

    Attributes:
        distribution: A divergence between two distributions over the candidates: 0 when they are equal, never negative.
        additive: The loss of two batches together is the sum of their losses.
    """

    distribution: bool = False
    additive: bool = True
