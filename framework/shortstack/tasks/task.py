"""The interface of a task."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shortstack.tasks.examples import Examples
from shortstack.tasks.feedback import Feedback, Reads

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.data.catalogue import Catalogue
    from shortstack.data.sequences import Sequences


@runtime_checkable
class Task(Protocol):
    """A task: turns every user's items into token sequences, and names the candidates."""

    @property
    def window(self) -> int:
        """Largest number of items of a history that the model sees."""

    @property
    def longest(self) -> int:
        """Largest number of tokens of an example."""

    @property
    def reads(self) -> Reads | Feedback:
        """The feedback that the data must hold: the name of a built-in kind, or an object of the task's own."""

    def training_examples(self, sequences: "Sequences", catalogue: "Catalogue") -> Examples:
        """Return the examples to train on, from training interactions only."""

    def calibration_examples(
        self, sequences: "Sequences", catalogue: "Catalogue", *, count: int = 256, seed: int = 0
    ) -> Examples:
        """Return the examples to measure importance on: a seeded sample of training users, one label each."""

    def candidates(self, catalogue: "Catalogue") -> "Tensor":
        """Return the token of each candidate, int64 ``(candidates,)``."""
