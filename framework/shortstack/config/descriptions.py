"""What a class says of its settings: name, type, default and meaning of each."""

import inspect
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, Literal, get_args, get_origin

import attrs

from shortstack.config.fields import fields_of, hints_of
from shortstack.config.given import Given
from shortstack.config.reader import CONTAINERS
from shortstack.config.type_words import type_words

_READABLE: Final = {
    Any,
    object,
    bool,
    int,
    float,
    str,
    type(None),
    Given,
    list,
    tuple,
    set,
    frozenset,
    dict,
    Mapping,
    Sequence,
}


def describe_settings(cls: type) -> list[dict[str, str]]:
    """Return name, type, what it takes in words, default and meaning of each setting of an attrs class, as text.

    The meaning is what its docstring, or that of the class that it has the setting from, says under ``Attributes:``.

    Raises:
        TypeError: A setting is of a type that no file can give.
    """
    hints, meanings = hints_of(cls), documented_attributes(cls)
    for name, kind in hints.items():
        _require_readable(kind, f"{cls.__name__}.{name}", (cls,))
    return [
        {
            "name": name,
            "type": _type_text(hints[name]),
            "takes": type_words(hints[name], choices=True),
            "default": _default_text(field.default),
            "meaning": meanings.get(field.name, "") or meanings.get(name, ""),
        }
        for name, field in fields_of(cls).items()
    ]


def _require_readable(kind: Any, where: str, around: tuple[type, ...]) -> None:
    """Refuse a type that ``_fit`` cannot make a value of, when the class is listed and not when a value is set.

    Raises:
        TypeError: It is one.
    """
    origin, parts = get_origin(kind), [part for part in get_args(kind) if part is not Ellipsis]
    if origin is Literal or kind in _READABLE or (isinstance(kind, type) and issubclass(kind, PurePath)):
        return
    if isinstance(kind, type) and issubclass(kind, Enum):
        _require_plain_members(kind, where)
        return
    if origin in {dict, Mapping} and parts and parts[0] not in {str, Any}:
        raise TypeError(f"the setting {where} has keys of the type {_type_text(parts[0])}, and keys in files are texts")
    if origin in CONTAINERS:
        for part in parts:
            _require_readable(part, where, around)
    elif isinstance(kind, type) and attrs.has(kind):
        for name, hint in () if kind in around else hints_of(kind).items():  # a class may hold tables of its own kind
            _require_readable(hint, f"{where}.{name}", (*around, kind))
    elif not getattr(kind, "_is_protocol", False):  # an object that Python alone can give
        raise TypeError(
            f"the setting {where} has the type {_type_text(kind)}, which no file can give; use bool, int, float, str, Path, an Enum, "
            "Literal, list, tuple, set, Mapping, another attrs class, or a union of these"
        )


def _require_plain_members(kind: type[Enum], where: str) -> None:
    odd = [member for member in kind if not isinstance(member.value, bool | int | float | str)]
    if odd:
        raise TypeError(
            f"the setting {where} has the choice {odd[0]!r}, which no file can name; give the members of {kind.__name__} values that are "
            "texts or numbers"
        )


def documented_attributes(cls: type) -> dict[str, str]:
    """Return the entries under ``Attributes:`` in the docstrings of a class and its bases.

    >>> class Shape:
    ...     '''A form.
    ...
    ...     Attributes:
    ...         sides: Number of
    ...             sides.
    ...     '''
    >>> documented_attributes(Shape)
    {'sides': 'Number of sides.'}
    """
    entries: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        entries |= attribute_entries(vars(base).get("__doc__"))
    return entries


def attribute_entries(docstring: str | None) -> dict[str, str]:
    """Return the name and text of each entry under ``Attributes:`` in a docstring."""
    section = inspect.cleandoc(docstring or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _type_text(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    text = text.replace("shortstack.config.given.Given", "object")
    return text.replace("typing.", "").replace("collections.abc.", "")


def _default_text(default: Any) -> str:
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return "from other settings" if default.takes_self else repr(default.factory())
    return repr(default)
