"""Every tolerance of the kit, with what was measured."""

from collections.abc import Mapping
from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Tolerance:
    """Largest allowed difference: ``|a − b| ≤ absolute + relative · max(|a|, |b|)`` over the whole tensor.

    Attributes:
        relative: Factor of the largest magnitude in either tensor.
        absolute: Constant part, whatever the magnitudes.
    """

    relative: float
    absolute: float = 0.0


EXACT: Final = Tolerance(relative=0.0)
DOUBLE: Final = Tolerance(relative=1e-7, absolute=1e-12)  # measured ≤ 4e-16; rotary positions shifted ≤ 3e-8
SINGLE: Final = Tolerance(
    relative=1e-5, absolute=1e-12
)  # block influence ≤ 1.3e-7, Taylor ≤ 6.3e-7, z-scores near 0 ≤ 2.3e-16
LONG_SUM: Final = Tolerance(relative=4096 * 2**-23)  # measured 1.6e-5; a term's rounding, 4,096 times, at worst
RESCALED: Final = Tolerance(relative=1e-6)  # measured 1.2e-7: transformers norms float64 states in float32
HALF: Final = Tolerance(relative=5e-2)  # a bfloat16 model beside its float32 copy, sums in float32 or wider
HALF_WEIGHTS: Final = Tolerance(relative=1e-2)  # the same bfloat16 weights, summed in float32 or wider: measured 0
HALF_MODEL: Final = Tolerance(relative=0.25)  # measured ≤ 0.16: a tiny bfloat16 model's own rounding (median 0.01)
CACHED: Final[Mapping[str, Tolerance]] = {
    "float64": Tolerance(relative=1e-5),  # measured ≤ 1.5e-15, but 6.1e-7 for Gemma-2, whose softmax is in float32
    "float32": Tolerance(relative=1e-4),  # measured ≤ 2.3e-6
}
"""Tolerance of logits with a cache against those without, and of experts with other groups of tokens (≤ 3.5e-7)."""
IDLE: Final[Mapping[str, Tolerance]] = {
    "float64": Tolerance(relative=0.0, absolute=1e-7),
    "float32": Tolerance(relative=0.0, absolute=5e-4),  # an arc cosine near 1 turns 6e-8 into 1.1e-4 of π
}
"""Tolerance of the scores of a layer that does nothing; the built-in scorers give exactly 0."""
A_TERM: Final[Mapping[str, float]] = {"float64": 1e-12, "float32": 1e-6}
"""Rounding allowed for each term of a loss on logits of size 1, at temperature 1."""
SHIFTED_TERM: Final = 50.0
"""Rounding allowed for each term after shifts up to ±100, in units of ``A_TERM``: measured ≤ 5.7e-6 in float32."""
CANCELLED: Final[Mapping[str, float]] = {"float64": 1e-14, "float32": 1e-5}
"""Error of cancellation in a term of a divergence at temperature ``T``, divided by ``T²``."""
SCALED: Final = Tolerance(
    relative=1e-4, absolute=1e-9
)  # a wrong degree is off by a factor; small constants against division by 0 are fine
HALF_GIVEN: Final = Tolerance(relative=1e-4)  # the same bfloat16 numbers, computed with in float32
DIFFERENCES: Final[Mapping[str, tuple[float, Tolerance]]] = {
    "float64": (1e-6, Tolerance(relative=1e-3, absolute=1e-5)),
    "float32": (2e-3, Tolerance(relative=1e-2, absolute=5e-3)),
}
"""Step of a finite difference, and its tolerance against the gradient, by the dtype of the loss's sum."""
