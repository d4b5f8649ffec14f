"""Changes of a run's settings, each named by its dotted path, as in ``selection.keep_ratio``."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import attrs

from shortstack.config.budget import BUDGETS, SHORT_NAMES
from shortstack.config.run import RunConfig
from shortstack.config.shorthand import in_full

Settings = Mapping[str, Any]
R = TypeVar("R", bound=RunConfig)
# not selection and importance: a budget, or a list of scorers, would silently reset what else their tables hold
_IN_SHORT: Final = frozenset({"data", "teacher", "task", "student"})


def with_settings(run: R, settings: Settings) -> R:
    """Return a run with some settings replaced; a budget replaces the run's own.

    Args:
        run: The run.
        settings: Dotted path → value, or the object that Python may give in its place; of ``data``, ``teacher``,
            ``task`` and ``student``, whose whole table is replaced, also what ``Run`` takes in short, such as a path.

    Raises:
        UnknownNameError: There is no such setting; the message suggests the nearest.
        ConfigurationError: A value is wrong, or settings do not go together.
    """
    tree = _without_budget(_fields(run)) if any(map(_is_budget, settings)) else _fields(run)
    for path, value in settings.items():
        whole = in_full(path, value) if path in _IN_SHORT else value
        tree = _replaced(tree, full_path(path), whole)
    return type(run).from_mapping(tree)


def by_path(run: RunConfig, table: Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings in nested tables with their dotted paths; tables of settings are taken apart, values are not.

    So ``{"selection": {"strategy": "last"}}`` is one setting of the selection, and ``{"teacher": {"config": {…}}}`` is a
    whole config, for it is a value.
    """
    for name, value in table.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and attrs.has(type(setting_at(run, path))):
            yield from by_path(run, value, f"{path}.")
        else:
            yield full_path(path), value


def setting_at(settings: object, path: str) -> Any:
    """Return a setting by its dotted path in a run, or in the tables of one; None if there is none.

    >>> setting_at({"teacher": {"fit": {"steps": 9}}}, "teacher.fit.steps")
    9
    """
    head, _, rest = path.partition(".")
    value = _fields(settings).get(head)
    return setting_at(value, rest) if rest else value


def full_path(path: str) -> str:
    """Return a setting's path with the full name of a budget in place of a short one.

    >>> full_path("selection.ratio"), full_path("seed")
    ('selection.keep_ratio', 'seed')
    """
    table, _, name = path.partition(".")
    return f"selection.{SHORT_NAMES.get(name, name)}" if table == "selection" and name else path


def _is_budget(path: str) -> bool:
    return full_path(path).removeprefix("selection.") in BUDGETS


def _without_budget(tree: dict[str, Any]) -> dict[str, Any]:
    selection = {name: value for name, value in _fields(tree["selection"]).items() if name not in BUDGETS}
    return {**tree, "selection": selection}


def _fields(holder: object) -> dict[str, Any]:
    """Return what a table of settings, or a mapping, holds by name; nothing of any other value."""
    if isinstance(holder, Mapping):
        return dict(holder)
    return attrs.asdict(cast("attrs.AttrsInstance", holder), recurse=False) if attrs.has(type(holder)) else {}


def _replaced(holder: object, path: str, value: object) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    fields = _fields(holder)
    return {**fields, head: _replaced(fields.get(head), rest, value) if rest else value}
