"""The tables of a drafted run: starting points of each kind of teacher, joined with what the data say."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from shortstack.config.run_tables import DataSettings, TaskSettings, TeacherSettings
from shortstack.config.toml import toml_tables
from shortstack.drafting.data_look import DataLook
from shortstack.errors import ConfigurationError
from shortstack.tasks import Task, feedback_of, task_of
from shortstack.teachers.items import brings_items

SCRATCH: Final = "scratch"
"""Word for a teacher that is trained from a config."""
_STARTS = files("shortstack.drafting") / "starts"


def usual_task(data: DataLook) -> str:
    """Return the name of the task that suits the data: clicks where they record what was shown, else the next item."""
    return "click" if data.shown else "next-item"


def drafted(data: DataLook, teacher: str, task: str) -> dict[str, Any]:
    """Return the tables of a run, as in its file.

    Args:
        data: The data.
        teacher: A model's folder, GGUF file or name on the hub; or ``"scratch"``.
        task: Name of the task.

    Raises:
        UnknownNameError: There is no task of this name.
        ConfigurationError: The data have nothing that the task reads.
    """
    built = task_of(TaskSettings(name=task))
    settings = None if teacher == SCRATCH else TeacherSettings(path=teacher)
    own = {
        "seed": 0,
        "device": "auto",
        "data": _data(data, built, task),
        "task": {"name": task, "settings": {"window": built.window}},
        "teacher": {} if settings is None else {"path": teacher},
    }
    tables = _joined(own, _joined(_start(_kind(settings, built)), _start("common")))
    if settings is None:
        tables["teacher"]["config"]["max_position_embeddings"] = _positions(built)
    if not data.facts["titled_share"] and "start" in tables["teacher"].get("items", {}):
        tables["teacher"]["items"]["start"] = "random"  # there are no texts to start from
    return tables


def _kind(teacher: TeacherSettings | None, task: Task) -> str:
    """Return which starting point suits a teacher: the name of its file."""
    if teacher is None:
        return "scratch"
    if brings_items(teacher):
        return "recommender"
    return "in-words" if feedback_of(task.reads).rates else "language-model"


def _data(data: DataLook, task: Task, name: str) -> dict[str, Any]:
    """Return the table of the data, with the first filters and split that the task takes.

    Raises:
        ConfigurationError: It takes none.
    """
    read: dict[str, Any] = {
        "source": data.source,
        "adapter": data.proposal.adapter,
        "settings": dict(data.proposal.settings),
    }
    usual: dict[str, Any] = {"core": data.core, "split": "leave-last"} | (
        {"order": "file"} if data.order == "file" else {}
    )
    refused: ConfigurationError | None = None
    for choice in (usual, {"core": 0, "split": "global-time"}):
        try:
            feedback_of(task.reads).check(DataSettings(**{**read, **choice}), name)
        except ConfigurationError as error:
            refused = refused or error
        else:
            return {**read, **choice}
    raise refused or ConfigurationError(f"the task {name!r} takes no filters and split; choose another")


def _positions(task: Task) -> int:
    """Return the least power of two that holds an example."""
    return 1 << (task.longest - 1).bit_length()


def _start(name: str) -> dict[str, Any]:
    return toml_tables((_STARTS / f"{name}.toml").read_text(encoding="utf-8"))


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables together; where both have a setting, that of the first."""
    inner = {
        name: _joined(table, second[name])
        for name, table in first.items()
        if isinstance(table, Mapping) and isinstance(second.get(name), Mapping)
    }
    return {**first, **{name: value for name, value in second.items() if name not in first}, **inner}
