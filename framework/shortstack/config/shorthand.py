"""Shorthand for tables of a run's settings: the value of the chief setting alone."""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final

import attrs

from shortstack.config.budget import BUDGETS, Budget, with_full_names
from shortstack.config.given import Given
from shortstack.config.run_tables import SelectionSettings
from shortstack.errors import ConfigurationError


def data(given: Any) -> Any:
    """Expand a path, a table, ``Records``, or a mapping of the tables ``interactions`` and ``items``.

    >>> data("ratings.csv")
    {'source': 'ratings.csv'}
    """
    if isinstance(given, Mapping) and "interactions" in given:
        return {"source": given}
    return _chief("source", given)


def teacher(given: Any) -> Any:
    """Expand a path, a config, a recommender, or a pair of a model and its tokenizer."""
    if isinstance(given, tuple):
        if len(given) != 2:
            raise ConfigurationError(f"teacher takes a model and its tokenizer, got {len(given)} values")
        return {"path": given[0], "tokenizer": given[1]}
    # a transformers config is recognised by this method, so that transformers need not be imported
    table = _chief("config" if hasattr(given, "to_diff_dict") else "path", given)
    config: Any = table.get("config") if isinstance(table, Mapping) else None
    if hasattr(config, "to_diff_dict"):
        return {**table, "config": {**config.to_diff_dict(), "model_type": config.model_type}}
    return table


def task(given: Any) -> Any:
    """Expand a name or a task."""
    return _chief("name", given)


def importance(given: Any) -> Any:
    """Expand a list of names and scorers; ``deciding_scorer`` says which of them decides."""
    return {"scorers": given} if isinstance(given, list | tuple) else given


def deciding_scorer(importance: Any, selection: Any) -> str | None:
    """Return the first of the listed scorers if none was chosen to decide; None to leave the default, if it is listed too."""
    if not isinstance(importance, list | tuple) or not importance:
        return None
    if any(isinstance(scorer, type) or scorer is None for scorer in importance):
        return None  # the strict reader says what is wrong with it
    names = [scorer if isinstance(scorer, str) else Given.of(scorer) for scorer in importance]
    chosen = isinstance(selection, SelectionSettings) or (isinstance(selection, Mapping) and "scorer" in selection)
    return None if chosen or SelectionSettings().scorer in names else str(names[0])


def selection(given: Any) -> Any:
    """Expand a budget, a strategy, or its name."""
    if isinstance(given, Budget):
        return {name: value for name in BUDGETS if (value := getattr(given, name)) is not None}
    return with_full_names(given) if isinstance(given, Mapping) else _chief("strategy", given)


def student(given: Any) -> Any:
    """Expand a name or an architecture."""
    return _chief("architecture", given)


def _chief(setting: str, given: Any) -> Any:
    """Return a table unchanged; make anything else the value of one setting."""
    is_table = given is None or isinstance(given, Mapping) or _is_settings(given)
    return given if is_table else {setting: str(given) if isinstance(given, PurePath) else given}


def _is_settings(given: object) -> bool:
    return attrs.has(type(given)) and type(given).__module__ == "shortstack.config.run_tables"


TABLES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "data": data,
    "teacher": teacher,
    "task": task,
    "importance": importance,
    "selection": selection,
    "student": student,
}


def in_full(name: str, given: Any) -> Any:
    """Expand a table's shorthand to a settings object or a mapping."""
    return TABLES[name](given) if name in TABLES else given


def merged(table: Any, name: str, settings: Mapping[str, Any]) -> Any:
    """Return an expanded table with further settings; those that are None are left out.

    In a settings object a value that is the default counts as not given, so that a budget replaces the usual one.

    >>> merged({"core": 5}, "data", {"split": "ratio", "source": None})
    {'core': 5, 'split': 'ratio'}

    Raises:
        ConfigurationError: The table has one of them already.
    """
    more = {setting: value for setting, value in settings.items() if value is not None}
    given = set(table or {}) if table is None or isinstance(table, Mapping) else _given_of(table)
    twice = sorted(more.keys() & given)
    if twice:
        raise ConfigurationError(f"{twice[0]} is given twice: by itself and in {name}; leave one out")
    if table is None or isinstance(table, Mapping):
        return {**(table or {}), **more}
    usual_budgets = (
        {setting for setting in BUDGETS if hasattr(table, setting)} - given if more.keys() & set(BUDGETS) else ()
    )
    return attrs.evolve(table, **{**dict.fromkeys(usual_budgets), **more})


def _given_of(table: Any) -> set[str]:
    """Return the names of the fields of a settings object whose values are not the defaults."""
    fields = attrs.fields(type(table))
    required = {field.name: getattr(table, field.name) for field in fields if field.default is attrs.NOTHING}
    usual = type(table)(**required)
    return {*required} | {field.name for field in fields if getattr(table, field.name) != getattr(usual, field.name)}
