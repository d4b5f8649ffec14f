"""Strategies for prunings: teachers, and the layers that are kept."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from shortstack.contracts import Selection
from shortstack.testing.recipes.models import FAMILIES, MIXED, TinyModel
from shortstack.testing.recipes.prunings import Pruning
from shortstack.testing.strategies.models import ODD


def selections(of: int, *, dropping: bool = False) -> st.SearchStrategy[Selection]:
    """Draw any layers out of ``of``, at least one.

    Args:
        of: Number of layers.
        dropping: True if at least one is dropped.
    """
    masks = st.sampled_from(range(1, 2**of - dropping))
    return masks.map(lambda mask: Selection(kept=[layer for layer in range(of) if mask >> layer & 1], of=of))


@st.composite
def prunings(
    draw: st.DrawFn,
    families: Sequence[str] = tuple(FAMILIES),
    *,
    layers: tuple[int, int] = (1, 4),
    dtypes: Sequence[Literal["float64", "float32", "bfloat16"]] = ("float64", "float32", "bfloat16"),
    dropping: bool = False,
    idle: bool = False,
    twice: bool = False,
) -> Pruning:
    """Draw teachers, tied and untied, and the layers that are kept; every other teacher has layers of several kinds.

    Args:
        draw: Supplied by Hypothesis.
        families: Model types, a subset of ``recipes.models.FAMILIES``.
        layers: Smallest and largest depth of the teacher; more than 1 if layers are dropped, more than 2 if twice.
        dtypes: Types of the weights.
        dropping: True if at least one layer is dropped, each time.
        idle: True if the dropped layers change nothing.
        twice: True if the student is pruned again.
    """
    # Hypothesis copies one part of an example to another if both are drawn alike; different strategies prevent it
    depth = draw(st.sampled_from(range(layers[0], layers[1] + 1)))
    mixed = [family for family in families if family in MIXED]
    family = draw(st.sampled_from(families) | st.sampled_from(mixed or families))
    first = draw(selections(depth, dropping=dropping).filter(lambda kept: not (twice and len(kept.kept) == 1)))
    return Pruning(
        teacher=TinyModel(
            family=family,
            layers=depth,
            seed=draw(st.integers(0, 3)),
            dtype=draw(st.sampled_from(dtypes)),
            idle=tuple(layer for layer in range(depth) if layer not in first.kept) if idle else (),
            tied=draw(st.booleans()),
            odd=draw(ODD),
        ),
        kept=first.kept,
        again=draw(selections(len(first.kept), dropping=dropping)).kept if twice else (),
    )
