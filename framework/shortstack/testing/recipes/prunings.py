"""Recipes for a teacher and the layers that a student keeps of it."""

import attrs

from shortstack.contracts import Selection
from shortstack.testing.recipes.models import TinyModel


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
