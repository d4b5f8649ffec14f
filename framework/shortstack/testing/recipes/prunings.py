"""A teacher and the layers that a student keeps of it, made from a recipe."""

import attrs

from shortstack.contracts import Selection
from shortstack.testing.recipes.models import TinyModel


@attrs.frozen(kw_only=True)
class Pruning:
    """A recipe for a teacher and the layers that stay.

    Attributes:
        teacher: The teacher.
        kept: Indices of its layers that stay, ascending.
        again: Which of those stay when the student is pruned in its turn, counted among them; empty if it is not.

    >>> Pruning(teacher=TinyModel(layers=5), kept=(0, 2, 4), again=(1, 2)).composed.kept
    (2, 4)
    """

    teacher: TinyModel
    kept: tuple[int, ...]
    again: tuple[int, ...] = ()

    @property
    def selection(self) -> Selection:
        """What stays of the teacher."""
        return Selection(kept=self.kept, of=self.teacher.layers)

    @property
    def second(self) -> Selection:
        """What stays of the student."""
        return Selection(kept=self.again, of=len(self.kept))

    @property
    def composed(self) -> Selection:
        """What stays of the teacher after both."""
        return Selection(kept=tuple(self.kept[index] for index in self.again), of=self.teacher.layers)

    @property
    def dropped(self) -> tuple[int, ...]:
        """Indices of the teacher's layers that go."""
        return tuple(layer for layer in range(self.teacher.layers) if layer not in self.kept)
