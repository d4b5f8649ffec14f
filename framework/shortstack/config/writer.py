"""Settings as plain lists, tables and scalars, which the reader reads back."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, get_args

import attrs

from shortstack.config.fields import fields_of, hints_of
from shortstack.config.given import Given

PLAIN: Final = (bool, int, float, str, type(None))
"""Types of values that are written as they are."""
OBJECT: Final = "python object"
"""Key of a given object's name in written settings."""


def unstructure(value: object, kind: Any = None) -> Any:
    """Return plain lists, mappings and scalars, which ``structure`` reads back.

    Given objects become name and digest; so do attrs objects where anything may stand, as in a table of settings, for there
    their fields do not say of which class they are.

    Args:
        value: Settings, or a part of them.
        kind: The annotation of the place where it stands; None if it has none.

    >>> unstructure({"folders": (PurePath("a"), PurePath("b"))})
    {'folders': ['a', 'b']}
    """
    if isinstance(value, Given):
        return {OBJECT: str(value), "digest": value.digest}
    if attrs.has(type(value)):
        return unstructure(Given.of(value)) if may_be_anything(kind) else _unstructured_fields(value)
    if isinstance(value, Mapping):
        return {str(key): unstructure(item, Any if kind is None else kind) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((unstructure(item, kind) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [unstructure(item, kind) for item in value]
    return _unstructured_scalar(value)


def _unstructured_fields(value: object) -> dict[str, Any]:
    hints, fields = hints_of(type(value)), fields_of(type(value))
    return {name: unstructure(getattr(value, field.name), hints[name]) for name, field in fields.items()}


def may_be_anything(kind: Any) -> bool:
    """Return True if an annotation is, or has within, ``Any`` or ``object``."""
    return kind is Any or kind is object or any(may_be_anything(part) for part in get_args(kind))


def _unstructured_scalar(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return value if isinstance(value, PLAIN) else unstructure(Given.of(value))


def name_in_record(value: Any) -> str:
    """Return the name in written settings, whether a text or the record of a given object.

    >>> name_in_record("fisher"), name_in_record({"python object": "my-scorer", "digest": "5f"})
    ('fisher', 'my-scorer')
    """
    return str(value[OBJECT] if stands_for_an_object(value) else value)


def stands_for_an_object(value: object) -> bool:
    """Return True if a value is the record of an object that was given in Python."""
    return isinstance(value, Mapping) and value.keys() == {OBJECT, "digest"}
