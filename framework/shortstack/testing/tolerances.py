"""Every tolerance of the kit, with what was measured."""

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Tolerance:
    """How far two numbers may be apart: ``|a − b| ≤ absolute + relative · max(|a|, |b|)`` over the whole tensor.

    Attributes:
        relative: Of the largest magnitude in either tensor.
        absolute: Whatever their size.
    """

    relative: float
    absolute: float = 0.0


EXACT: Final = Tolerance(relative=0.0)
DOUBLE: Final = Tolerance(relative=1e-7, absolute=1e-12)  # measured ≤ 4e-16; rotary positions shifted ≤ 3e-8
SINGLE: Final = Tolerance(relative=1e-5)  # measured: block influence ≤ 1.3e-7, Taylor ≤ 6.3e-7
HALF: Final = Tolerance(relative=5e-2)  # a bfloat16 model beside its float32 copy, sums in float32 or wider
