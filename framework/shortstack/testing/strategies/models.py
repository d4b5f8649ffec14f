"""Strategies for tiny models."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from shortstack.testing.recipes.models import COMMON, TinyModel

ODD = st.sampled_from([False, False, False, True])
"""Values of ``TinyModel.odd``: true for a fourth of the models, each of which has to be built."""


@st.composite
def models(
    draw: st.DrawFn,
    families: Sequence[str] = COMMON,
    *,
    layers: tuple[int, int] = (1, 4),
    dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32"),
    idle: bool = False,
) -> TinyModel:
    """Draw tiny stock decoders; they shrink to a one-layer float64 model of the first family.

    Args:
        draw: Supplied by Hypothesis.
        families: Model types, a subset of ``recipes.models.FAMILIES``.
        layers: Smallest and largest number of layers.
        dtypes: Types of the weights.
        idle: True if at least one layer changes nothing.
    """
    depth = draw(st.integers(*layers))
    some = st.lists(st.integers(0, depth - 1), min_size=1, unique=True)
    return TinyModel(
        family=draw(st.sampled_from(families)),
        layers=depth,
        seed=draw(st.integers(0, 3)),
        dtype=draw(st.sampled_from(dtypes)),
        idle=tuple(sorted(draw(some))) if idle else (),
        odd=draw(ODD),
    )
