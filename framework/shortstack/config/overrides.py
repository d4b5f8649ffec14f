"""Settings as they are given after ``--set``: ``table.setting=value``, where the type of the setting decides what the text is.

A text is taken as it is written; a value of another type is read as TOML.
"""

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, Literal, Union, get_args, get_origin

import attrs

from shortstack.boundaries import refuse_text
from shortstack.config.fields import hints_of
from shortstack.config.given import Given
from shortstack.config.reader import holds_nan, replace
from shortstack.config.toml import toml_tables
from shortstack.errors import ConfigurationError

TablePath = tuple[str, ...]
"""Names of a table and the tables around it, outermost first; ``()`` for the outermost itself."""
Classes = Mapping[TablePath, Callable[[], type | None]]
"""Path of a table → looks up the class of its settings, None if there is none. The class of the table around it has the types of
tables that are not among them."""

_LEVELS: Final = 16
"""Dots in the name of a setting; none has ten."""
_ALL: Final[AbstractSet[type]] = frozenset({bool, int, float, str, list, dict, type(None)})
"""Types of TOML's values, and that of ``none``; a date is a text, and so is all that holds NaN, since no setting takes one."""
_TAKEN: Final[Sequence[tuple[type | tuple[type, ...], frozenset[type]]]] = (
    (Given, frozenset()),  # an object, which only Python can give, though it is a str
    (bool, frozenset({bool})),
    (int, frozenset({int})),
    (float, frozenset({int, float})),
    ((str, PurePath), frozenset({str})),
    (type(None), frozenset({type(None)})),
    (Mapping, frozenset({dict})),
    ((Sequence, AbstractSet), frozenset({list})),
)
"""Class of an annotation → the types of TOML's values that it takes; the first that fits counts."""


def overridden(tree: Mapping[str, Any], overrides: Iterable[str], classes: Classes | None = None) -> dict[str, Any]:
    """Return a copy of nested tables with values set as on the command line.

    Args:
        tree: The tables.
        overrides: ``"table.setting=value"``. The value of a setting that takes texts is the text as it is written, or what
            a TOML text in quotes holds; it is ``none`` or a value of TOML if the setting takes such a value too. Any other
            is ``none``, TOML, or else a text.
        classes: The classes of the settings in the tables; a setting that none of them has is TOML wherever it can be.

    Raises:
        ConfigurationError: An override is not of that form.

    >>> overridden({"seed": 0}, ["seed=3", "device=cpu"])
    {'seed': 3, 'device': 'cpu'}
    """
    refuse_text("overrides", overrides)
    changed = dict(tree)
    for override in overrides:
        name, separator, value = override.partition("=")
        if not separator or not name.strip() or name.count(".") > _LEVELS:
            raise ConfigurationError(
                f"--set takes setting=value, or table.setting=value for one in a table, got {override!r}"
            )
        kind = type_at(tuple(name.strip().split(".")), classes or {})
        changed = replace(changed, name.strip(), _value(value, taken_types(kind)))
    return changed


def _value(text: str, taken: AbstractSet[type]) -> Any:
    """Return the value that a text after ``--set`` is, for a setting that takes values of some types."""
    value = _as_toml(text)
    return text if str in taken and type(value) not in taken else value


def _as_toml(text: str) -> Any:
    """Return None for ``none``, the value that all of a text is in TOML, or else the text."""
    written = text.strip()
    if written == "none":
        return None
    try:
        # the first refuses a list's end and all behind it, the second a comment and several lines
        tables, _ = toml_tables(f"value = {written}"), toml_tables(f"values = [{written}]")
    except ValueError:
        return text
    value = tables.pop("value")
    return text if tables or isinstance(value, date | time) or holds_nan(value) else value


def type_at(path: TablePath, classes: Classes) -> Any:
    """Return the annotation of a setting; ``Any`` if it is not known."""
    kind: Any = Any
    for depth, name in enumerate(path):
        table = path[:depth]
        kind = _type_in((classes[table]() if table in classes else None) or kind, name)
    return kind


def _type_in(table: Any, name: str) -> Any:
    """Return the annotation of a setting in a table of this annotation; ``Any`` if it is not known."""
    for kind in _parts(table):
        if isinstance(kind, type) and attrs.has(kind):
            with suppress(TypeError):  # the reader says what is wrong with the class
                return hints_of(kind).get(name, Any)
        if get_origin(kind) in {dict, Mapping}:
            return get_args(kind)[1]
    return Any


def taken_types(kind: Any) -> AbstractSet[type]:
    """Return the types of TOML's values that an annotation takes, ``NoneType`` for ``none`` among them.

    >>> sorted(one.__name__ for one in taken_types(float | tuple[str, ...]))
    ['float', 'int', 'list']
    """
    return {taken for part in _parts(kind) for taken in _taken(part)}


def _taken(kind: Any) -> AbstractSet[type]:
    origin = get_origin(kind) or kind
    if origin is Any or origin is object:
        return _ALL
    if origin is Literal:
        return {type(value) for value in get_args(kind)}
    if not isinstance(origin, type):
        return frozenset()
    if issubclass(origin, Enum):
        return {type(member.value) for member in origin}
    if attrs.has(origin):
        return {dict}
    return next((taken for classes, taken in _TAKEN if issubclass(origin, classes)), frozenset[type]())


def _parts(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union; of another annotation, itself."""
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
