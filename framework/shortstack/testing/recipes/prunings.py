"""Recipes for a teacher and the layers that a student keeps of it."""

from collections.abc import Sequence
from typing import Literal

import attrs
from hypothesis import strategies as st

from shortstack.contracts import Selection
from shortstack.testing.recipes.models import FAMILIES, MIXED, ODD, TinyModel


@attrs.frozen(kw_only=True)
class Pruning:
    """Recipe for a teacher and the layers that are kept.

    Attributes:
        teacher: The teacher.
        kept: Indices of its layers that are kept, ascending.
        again: Indices of the student's layers that are kept when it is pruned again; empty if it is not.

    >>> Pruning(teacher=TinyModel(layers=5), kept=(0, 2, 4), again=(1, 2)).composed.kept
    (2, 4)
    """

    teacher: TinyModel
    kept: tuple[int, ...]
    again: tuple[int, ...] = ()

    @property
    def selection(self) -> Selection:
        """Layers of the teacher that are kept."""
        return Selection(kept=self.kept, of=self.teacher.layers)

    @property
    def second(self) -> Selection:
        """Layers of the student that are kept in the second pruning."""
        return Selection(kept=self.again, of=len(self.kept))

    @property
    def composed(self) -> Selection:
        """Layers of the teacher that are kept after both prunings."""
        return Selection(kept=tuple(self.kept[index] for index in self.again), of=self.teacher.layers)

    @property
    def dropped(self) -> tuple[int, ...]:
        """Indices of the teacher's layers that are dropped."""
        return tuple(layer for layer in range(self.teacher.layers) if layer not in self.kept)


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
