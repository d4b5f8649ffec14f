"""What a setting takes, in words: for people who read no annotations of Python."""

import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, Literal, Union, get_args, get_origin

from shortstack.config.given import Given

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Given: "object",
    Any: "any value",
    object: "any value",
}


def type_words(kind: Any, *, choices: bool = False) -> str:
    """Return an annotation in words; None among its types is not mentioned, for a setting may always be left out.

    Args:
        kind: The annotation.
        choices: Whether the values of a ``Literal`` or an enumeration are listed; otherwise they are of their type.

    >>> type_words(int | None), type_words(dict[str, float]), type_words(Literal["a", "b"], choices=True)
    ('whole number', 'table: number', '"a" or "b"')
    """
    origin, arguments = get_origin(kind), get_args(kind)
    words = _with_choices if choices else type_words
    if origin in {Union, types.UnionType}:
        return _either([part for part in arguments if part is not type(None)], words)
    if origin is Literal:
        return _listed(arguments) if choices else "text"
    if origin is not None and arguments:
        return _of_container(origin, arguments, words)
    kind = origin or kind  # typing.List says no more than list
    return _WORDS[kind] if kind in _WORDS else _of_class(kind, choices=choices)


def _of_container(origin: type, arguments: Sequence[Any], words: Callable[[Any], str]) -> str:
    if origin in {dict, Mapping}:
        return "table" if arguments[1] is Any else f"table: {words(arguments[1])}"
    if origin is tuple and Ellipsis not in arguments:
        number = "two" if len(arguments) == 2 else len(arguments)
        return f"list of {number}: {' and '.join(dict.fromkeys(map(words, arguments)))}"
    return f"list: {words(arguments[0])}"


def _with_choices(kind: Any) -> str:
    return type_words(kind, choices=True)


def _of_class(kind: type, *, choices: bool) -> str:
    if issubclass(kind, Enum):
        return _listed([member.value for member in kind]) if choices else "text"
    if issubclass(kind, PurePath):
        return "path"
    return "list" if issubclass(kind, Sequence | set | frozenset) else "table"


def _either(kinds: Sequence[Any], words: Callable[[Any], str]) -> str:
    named = [kind for kind in kinds if kind is not int or float not in kinds]  # a whole number is a number
    return " or ".join(dict.fromkeys(map(words, named)))


def _listed(values: Sequence[object]) -> str:
    *first, last = (f'"{value}"' if isinstance(value, str) else str(value) for value in values)
    return " or ".join(part for part in (", ".join(first), last) if part)
