"""Settings of a plugin as their class declares them: however they were given, equal ones are written alike."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import PurePath
from typing import Any, get_args

import attrs

from shortstack.config.fields import fields_of, hints_of
from shortstack.config.given import Given
from shortstack.config.reader import converted
from shortstack.config.writer import may_be_anything, unstructure


def as_declared(cls: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings with each value converted to its declared type, and that as plain lists, tables and scalars.

    Only the settings that are given are returned, in nested tables only those that are not the default, so that a key of settings
    does not change with each setting that a plugin gets. Objects stay objects, and names of no setting stay as they are.

    Args:
        cls: The attrs class that declares them.
        settings: Some of its settings, as a file or Python gives them.
        where: Name of the table, for error messages.

    Raises:
        ConfigurationError: A value does not fit its type.
    """
    hints = hints_of(cls)
    return {
        name: _plain(converted(hints[name], value, f"{where}.{name}"), hints[name]) if name in hints else value
        for name, value in settings.items()
    }


def _plain(value: object, kind: Any) -> Any:
    if isinstance(value, Given) or (attrs.has(type(value)) and may_be_anything(kind)):
        return value
    if attrs.has(type(value)):
        # of several classes, only the names of the fields say which it is
        several = len([one for one in get_args(kind) if attrs.has(one)]) > 1
        return _fields(value, every=several)
    if isinstance(value, Mapping):
        return {name: _plain(item, kind) for name, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((_plain(item, kind) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(item, kind) for item in value]
    return unstructure(value, kind) if isinstance(value, Enum | PurePath) else value


def _fields(nested: object, *, every: bool) -> dict[str, Any]:
    """The fields of a nested value, as plain values; only those that are not the default unless ``every`` is true."""
    hints, fields = hints_of(type(nested)), fields_of(type(nested))
    values = {name: _plain(getattr(nested, field.name), hints[name]) for name, field in fields.items()}
    usual = {
        name: _plain(_default(field, nested), hints[name]) for name, field in fields.items() if _has_default(field)
    }
    # as text, for 1 == 1.0 == True
    return {
        name: value for name, value in values.items() if every or name not in usual or repr(value) != repr(usual[name])
    }


def _has_default(field: "attrs.Attribute[Any]") -> bool:
    return field.default is not attrs.NOTHING


def _default(field: "attrs.Attribute[Any]", instance: object) -> Any:
    default: Any = field.default
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, which its stub says is a function
        return default
    return default.factory(instance) if default.takes_self else default.factory()
