"""The form of a task."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shortstack.tasks.examples import Examples
from shortstack.tasks.feedback import Feedback, Reads

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.data.catalogue import Catalogue
    from shortstack.data.sequences import Sequences


@runtime_checkable
class Task(Protocol):
    """Turns every user's items into token sequences, and says which answers there are."""

    @property
    def window(self) -> int:
        """How many items of a history the model sees at most."""

    @property
    def longest(self) -> int:
        """How many tokens an example has at most."""

    @property
    def reads(self) -> Reads | Feedback:
        """What the data must hold: a built-in kind of feedback, or one of the task's own."""

    def training_examples(self, sequences: "Sequences", catalogue: "Catalogue") -> Examples:
        """What to learn from: training interactions only."""

    def calibration_examples(
        self, sequences: "Sequences", catalogue: "Catalogue", *, count: int = 256, seed: int = 0
    ) -> Examples:
        """What to measure importance on: a seeded sample of training users, each with one supervised position."""

    def candidates(self, catalogue: "Catalogue") -> "Tensor":
        """int64 ``(candidates,)``: the token of each answer."""
