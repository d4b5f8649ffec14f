"""The word ``"none"`` in a study's file: no value where a setting may have none, else a text, for TOML has no word for it.

The settings of an adapter, a loss or another plugin are only known by the run that names it, and runs of a study may name
several: there the word waits, as ``NoneWord``, until the settings of a run are together.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shortstack.config.changes import with_settings
from shortstack.config.overrides import Classes, TablePath, taken_types, type_at
from shortstack.config.run import RunConfig

_WORD: Final = "none"
_BROUGHT: Final[tuple[TablePath, ...]] = (
    ("data", "settings"),
    ("task", "settings"),
    ("importance", "settings"),
    ("selection", "settings"),
    ("student", "settings"),
    ("distillation", "losses"),
    ("distillation", "balancing"),
)
"""Tables of settings that belong to what a run names; ``settings_classes`` says to whom."""
_OF_EVERY_RUN: Final[Classes] = {(): lambda: RunConfig}


class NoneWord(str):
    """The word, where only a run's own plugin says what it is; it equals the text."""

    __slots__ = ()


def read(value: Any, path: TablePath = ()) -> Any:
    """Return a value of a file with None for the word where every run takes it, and ``NoneWord`` where the run decides.

    >>> read({"min_rating": "none", "source": "none"}, ("data",))
    {'min_rating': None, 'source': 'none'}
    """

    def meaning(place: TablePath) -> Any:
        if any(place[: len(table)] == table and len(place) > len(table) for table in _BROUGHT):
            return NoneWord(_WORD)
        return _meaning(place, _OF_EVERY_RUN)

    return _replaced(value, lambda each: each == _WORD, meaning, path)


def settled(base: RunConfig, settings: Mapping[str, Any], classes: Callable[[RunConfig], Classes]) -> Mapping[str, Any]:
    """Return the settings of a run with None or a text for each ``NoneWord``.

    Args:
        base: The run that they change.
        settings: Dotted path → value.
        classes: Returns the classes of a run's settings; not called where no word waits.

    Raises:
        UnknownNameError: There is no such setting, or no plugin of the name whose settings are given.
        ConfigurationError: A value is wrong.
    """
    waiting: list[TablePath] = []
    _replaced(settings, _waits, waiting.append, ())
    if not waiting:
        return settings
    # the word is a text here, which the settings of a plugin may be until the plugin reads them
    of_run = classes(with_settings(base, settings))
    return dict(_replaced(settings, _waits, lambda place: _meaning(place, of_run), ()))


def _waits(value: object) -> bool:
    return isinstance(value, NoneWord)


def _meaning(path: TablePath, classes: Classes) -> str | None:
    return None if type(None) in taken_types(type_at(path, classes)) else _WORD


def _replaced(
    value: Any, is_meant: Callable[[object], bool], meaning: Callable[[TablePath], Any], path: TablePath
) -> Any:
    """Return a value with what is meant replaced by its meaning at its path, in tables and lists too."""
    if isinstance(value, Mapping):
        inner = {name: (*path, *str(name).split(".")) for name in value}
        return {name: _replaced(value[name], is_meant, meaning, full) for name, full in inner.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(one, is_meant, meaning, path) for one in value)
    return meaning(path) if is_meant(value) else value
