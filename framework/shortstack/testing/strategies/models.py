"""Tiny models."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from shortstack.testing.recipes.models import COMMON, TinyModel


def models(
    families: Sequence[str] = COMMON,
    *,
    layers: tuple[int, int] = (1, 4),
    dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32"),
) -> st.SearchStrategy[TinyModel]:
    """Tiny stock decoders; they shrink to a one-layer float64 model of the first family.

    Args:
        families: Model types, a subset of ``recipes.models.FAMILIES``.
        layers: The least and the most layers.
        dtypes: Types of the weights.
    """
    return st.builds(
        TinyModel,
        family=st.sampled_from(families),
        layers=st.integers(*layers),
        seed=st.integers(0, 3),
        dtype=st.sampled_from(dtypes),
    )
