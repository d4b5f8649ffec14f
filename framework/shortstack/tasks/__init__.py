"""What a model is to do: a task turns histories into examples. Needs neither polars nor datasets.

``next-item`` predicts what a user chooses next, ``click`` which of the shown items, ``rating`` how an item is rated.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from shortstack.errors import ConfigurationError
from shortstack.tasks.examples import Examples, collate

if TYPE_CHECKING:
    from torch import Tensor

    from shortstack.data.catalogue import Catalogue
    from shortstack.data.sequences import Sequences

__all__ = ["Examples", "Reads", "Task", "built_in_tasks", "collate", "named_task"]

Reads = Literal["interactions", "ratings", "impressions"]
"""What users chose; the same with how they rated it; or what they were shown and what of it they chose."""


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
    def reads(self) -> "Reads":
        """What the data must hold."""

    def training_examples(self, sequences: "Sequences", catalogue: "Catalogue") -> Examples:
        """What to learn from: training interactions only."""

    def calibration_examples(
        self, sequences: "Sequences", catalogue: "Catalogue", *, count: int = 256, seed: int = 0
    ) -> Examples:
        """What to measure importance on: a seeded sample of training users, each with one supervised position."""

    def candidates(self, catalogue: "Catalogue") -> "Tensor":
        """int64 ``(candidates,)``: the token of each answer."""


def named_task(name: str, settings: Mapping[str, object] | None = None) -> Task:
    """A task by the name it goes by, or by ``module:attribute``, where an attrs class of this form is.

    Raises:
        UnknownNameError: There is no such task or setting; suggests the nearest.
        ConfigurationError: A setting has a value that is not allowed, or there is no such class.
    """
    from shortstack.naming import named_class
    from shortstack.settings import structure

    task: object = structure(named_class("task", name, built_in_tasks()), settings, f"task {name!r}")
    if not isinstance(task, Task):
        raise ConfigurationError(f"task {name!r} does not have the methods of shortstack.tasks.Task")
    return task


def built_in_tasks() -> dict[str, type]:
    """The tasks that need no module's name."""
    from shortstack.tasks.click import Click
    from shortstack.tasks.next_item import NextItem
    from shortstack.tasks.rating import Rating

    return {"next-item": NextItem, "click": Click, "rating": Rating}
