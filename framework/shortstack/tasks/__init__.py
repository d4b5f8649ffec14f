"""Tasks: a task turns histories into training and calibration examples. Needs neither polars nor datasets.

``next-item`` predicts what a user chooses next, ``click`` which of the shown items, ``rating`` how an item is rated.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shortstack.errors import ConfigurationError
from shortstack.tasks.examples import Examples, collate
from shortstack.tasks.feedback import Feedback, Reads, feedback_of
from shortstack.tasks.task import Task

if TYPE_CHECKING:
    from shortstack.config.run_tables import TaskSettings

__all__ = ["Examples", "Feedback", "Reads", "Task", "built_in_tasks", "collate", "feedback_of", "named_task", "task_of"]


def named_task(name: str, settings: Mapping[str, object] | None = None) -> Task:
    """Build a task by its name, or by the ``module:attribute`` of an attrs class that has the form of ``Task``.

    Raises:
        UnknownNameError: There is no such task or setting; suggests the nearest.
        ConfigurationError: A setting has a value that is not allowed, or there is no such class.
    """
    from shortstack.config.resolve import named_object

    task = named_object("task", name, built_in_tasks(), settings or {})
    if not isinstance(task, Task):
        raise ConfigurationError(f"task {name!r} does not have the methods of shortstack.tasks.Task")
    return task


def task_of(settings: "TaskSettings") -> Task:
    """Build the task that ``[task]`` names.

    Raises:
        UnknownNameError: There is no task of this name, or it has no such setting.
        ConfigurationError: A setting has a wrong value.
    """
    return named_task(settings.name, settings.settings)


def built_in_tasks() -> dict[str, type]:
    """Return the built-in tasks by name."""
    from shortstack.tasks.click import Click
    from shortstack.tasks.next_item import NextItem
    from shortstack.tasks.rating import Rating

    return {"next-item": NextItem, "click": Click, "rating": Rating}
