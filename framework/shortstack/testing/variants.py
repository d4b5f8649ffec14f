"""Variants of a component with settings away from their defaults: a law that holds with some should hold with all."""

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from shortstack.config.fields import fields_of, hints_of
from shortstack.config.reader import structure
from shortstack.errors import ConfigurationError, PluginError
from shortstack.testing.subject import Subject


def variants(subject: Subject) -> list[Subject]:
    """Return the component with one setting changed at a time, where it can be built so.

    Settings that the caller set stay as they are; so do strings, whose other allowed values are unknown.
    """
    return [variant for variant in _evolved(subject) if _can_be_built(variant)]


def other_values(kind: Any, default: Any) -> Iterator[Any]:
    """Yield other values of a type, near a default.

    >>> list(other_values(float, 2.0)), list(other_values(Literal["cosine", "mse"], "cosine"))
    ([3.0, 1.0], ['mse'])
    >>> list(other_values(int | None, None)), list(other_values(int | None, 3))
    ([1, 2], [4, 2, None])
    """
    if get_origin(kind) in {Union, types.UnionType}:
        for choice in get_args(kind):
            if choice is not type(None):
                yield from _first_values(choice) if default is None else other_values(choice, default)
            elif default is not None:
                yield None
    elif get_origin(kind) is Literal:
        yield from (value for value in get_args(kind) if value != default)
    elif kind is bool:
        yield not default
    elif kind is int and isinstance(default, int):
        yield from (default + 1, default - 1) if default > 1 else (default + 1,)
    elif kind is float and isinstance(default, int | float):
        yield from (1.5 * default, 0.5 * default) if default else (0.5,)


def _first_values(kind: Any) -> Iterator[Any]:
    """Yield values of a type for a setting whose default is None: there is no default to stay near.

    >>> list(_first_values(float)), list(_first_values(Literal["cosine", "mse"]))
    ([0.5, 2.0], ['cosine', 'mse'])
    """
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    yield from {bool: (True, False), int: (1, 2), float: (0.5, 2.0)}.get(kind, ())


def _evolved(subject: Subject) -> Iterator[Subject]:
    config = subject.descriptor.config
    hints = hints_of(config)
    usual: object = structure(config, subject.settings, subject.name)
    for name, field in fields_of(config).items():
        if name in subject.settings or field.default is attrs.NOTHING:
            continue
        for value in other_values(hints[name], getattr(usual, field.name)):
            yield attrs.evolve(subject, settings={**subject.settings, name: value})


def _can_be_built(subject: Subject) -> bool:
    try:
        subject.build()
    except (ConfigurationError, PluginError):  # a value that makes no sense for this setting
        return False
    return True
