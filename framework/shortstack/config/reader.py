"""Strict conversion of settings, from a TOML file or keywords, to typed, frozen values.

Only lossless conversions are made: a whole number becomes a float or a text where one is expected, and a date, which
TOML writes without quotes, becomes a text. ``"3"`` is no number and ``3.7`` no count. Every error names the setting
by its full path and says what is allowed.
"""

import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs

from shortstack.config.amounts import plain_number
from shortstack.config.fields import fields_of, hints_of
from shortstack.config.given import Given
from shortstack.config.type_words import type_words
from shortstack.config.writer import OBJECT, PLAIN, stands_for_an_object
from shortstack.errors import ConfigurationError, UnknownNameError

T = TypeVar("T")
BOUNDS: Final = "bounds"
"""Key of a validated field's own validator in its metadata, for pages about settings."""


def structure(cls: type[T], value: object, where: str) -> T:
    """Build an attrs instance from a mapping.

    Args:
        cls: An attrs class; its annotations give the type of each field.
        value: A mapping of field names, an instance of ``cls``, or None for the defaults.
        where: Name of the configured table for error messages, for example ``"teacher.fit"``; empty for a whole run.

    Raises:
        UnknownNameError: There is no such setting; the message suggests the nearest.
        ConfigurationError: A value has the wrong type or is out of range, or a required setting is missing.
    """
    if isinstance(value, cls):
        return _fitted(value, where)
    if value is None:
        value = {}
    if stands_for_an_object(value):
        _fit_object(value, where)
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where or 'a run'} takes a table of settings, got {value!r}")
    fields = fields_of(cls)
    with _refusals(where or "a run"):
        hints = hints_of(cls)
    for name in value:
        if name not in fields:
            raise UnknownNameError(f"setting of {where or 'a run'}:", str(name), fields)
    missing = [n for n, f in fields.items() if f.default is attrs.NOTHING and n not in value]
    if missing:
        raise ConfigurationError(f"{where or 'a run'} needs the setting {missing[0]!r}")
    settings = {name: converted(hints[name], setting, _path(where, name)) for name, setting in value.items()}
    with _refusals(where):
        return cls(**settings)


Fields = list["attrs.Attribute[Any]"]


def validated(table: str) -> Callable[[type, Fields], Fields]:
    """Make an attrs class validate its fields, however an instance is built.

    For ``attrs.frozen(field_transformer=validated("data"))``: each value must fit its field's annotation, as from a
    file, and a validator's error becomes a ``ConfigurationError`` that names the setting.

    Args:
        table: Name of the table in a file, for error messages; empty for the top level.
    """
    return lambda _cls, fields: [_checked(field, _path(table, field.name)) for field in fields]


def _checked(field: "attrs.Attribute[Any]", where: str) -> "attrs.Attribute[Any]":
    convert, validator = field.converter, field.validator

    def fit(value: object) -> Any:
        fitted = converted(field.type, value, where)
        return convert(fitted) if callable(convert) else fitted

    def validate(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if validator is not None:
            with _refusals(where):
                validator(instance, attribute, value)

    return field.evolve(converter=fit, validator=validate, metadata={**field.metadata, BOUNDS: validator})


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Turn a class's errors about its own values into ones that name the setting."""
    try:
        yield
    except ConfigurationError as error:
        if where not in str(error):
            error.add_note(f"in the settings of {where}")
        raise
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{where}: {_first_line(error)}") from error


def _path(table: str, name: str) -> str:
    return f"{table}.{name}" if table else name


def _fitted(instance: T, where: str) -> T:
    """Return an instance built in Python with its fields converted as from a file; itself if nothing changes."""
    with _refusals(where):
        hints = hints_of(type(instance))
    values = {name: getattr(instance, field.name) for name, field in fields_of(type(instance)).items()}
    fits = {name: converted(hints[name], value, _path(where, name)) for name, value in values.items()}
    # as text, for 1 == 1.0 == True: a whole number left where a float belongs would be another run than the file's
    return instance if repr(fits) == repr(values) else type(instance)(**fits)


def replace(tree: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy of nested tables with one value, named by its dotted path, replaced.

    >>> replace({"teacher": {"fit": {"steps": 9}}}, "teacher.fit.steps", 5)
    {'teacher': {'fit': {'steps': 5}}}
    """
    head, _, rest = path.partition(".")
    inner = tree.get(head)
    if rest:
        value = replace(inner if isinstance(inner, Mapping) else {}, rest, value)
    return {**tree, head: value}


def converted(kind: Any, value: object, where: str) -> Any:
    """Return a value converted to the type that a setting is annotated with.

    Args:
        kind: The annotation.
        value: The value as a file or Python gives it.
        where: Path of the setting, for error messages.

    Raises:
        ConfigurationError: It does not fit; the message names the setting and says what is allowed.
    """
    container = CONTAINERS.get(get_origin(kind) or kind)
    if container is not None:
        return container(get_args(kind), value, where)
    if kind is Given:
        return _fit_object(value, where)
    if isinstance(kind, type) and attrs.has(kind):
        return structure(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _fit_enum(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return value if isinstance(value, kind) else _fit_path(kind, value, where)
    return _fit_scalar(kind, value, where)


def _fit_scalar(kind: Any, value: object, where: str) -> Any:
    if kind is Any or kind is object:
        value = plain_number(value)
        if holds_nan(value):  # NaN equals nothing, so a run with it could never be recognised
            raise ConfigurationError(f"{where} takes any value but NaN, got {value!r}; leave it out, or write a number")
        return _fit_object(value, where) if stands_for_an_object(value) else value
    if kind is int or kind is float:
        value = plain_number(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(value, where)
    if kind is str and isinstance(value, date | time):
        return value.isoformat()
    if kind is str and isinstance(value, PurePath):
        return str(value)
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isnan(value):
        raise ConfigurationError(f"{where} takes {_SPOKEN.get(kind, str(kind))}, got {value!r}")
    # True is an int in Python, but no number in a file
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        quoted = f"; write '\"{value}\"' for that text" if kind is str and isinstance(value, bool | float) else ""
        raise ConfigurationError(f"{where} takes {_SPOKEN.get(kind, str(kind))}, got {value!r}{quoted}")
    return value


def holds_nan(value: object) -> bool:
    """Return True if a value is NaN, or a list or table with it at any depth."""
    if isinstance(value, float):
        return math.isnan(value)
    inner = value.values() if type(value) is dict else value if isinstance(value, list | tuple) else ()
    return any(map(holds_nan, inner))


def _fit_path(kind: type[PurePath], value: object, where: str) -> PurePath:
    text = _fit_scalar(str, value, where)
    if not text:  # pathlib takes it for the current folder
        raise ConfigurationError(f"{where} takes a path, got ''; leave it out, or write '.' for the current folder")
    return kind(text)


def _as_float(value: int, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigurationError(f"{where} takes a number, got a whole number of {value.bit_length()} bits") from error


def _fit_object(value: Any, where: str) -> Given:
    if stands_for_an_object(value):
        raise ConfigurationError(
            f"{where} is an object, {value[OBJECT]!r}, that Run was given in Python and no file can hold; build the same Run "
            "there again, and execute it in the same folder"
        )
    try:
        return Given.of(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where} {error}") from None


def _fit_literal(arguments: Sequence[Any], value: object, where: str) -> Any:
    same = [one for one in arguments if _is_same(one, value)]
    if same:
        return same[0]
    if isinstance(value, str):
        raise UnknownNameError(f"value of {where}:", value, [str(a) for a in arguments])
    raise ConfigurationError(f"{where} must be one of {', '.join(map(repr, arguments))}, got {value!r}")


def _fit_enum(kind: type[Enum], value: object, where: str) -> Enum:
    """A member, by its value as files have it."""
    if isinstance(value, kind):
        return value
    same = [member for member in kind if _is_same(member.value, value)]
    if same:
        return same[0]
    allowed = ", ".join(repr(member.value) for member in kind)
    raise ConfigurationError(f"{where} must be one of {allowed}, got {value!r}")


def _is_same(allowed: object, value: object) -> bool:
    """Return True if a value is one of those allowed: a whole number may stand for a float, but ``True`` for no number."""
    value = plain_number(value)
    if isinstance(allowed, bool) or isinstance(value, bool | Given):
        return allowed is value
    return allowed == value and (isinstance(value, type(allowed)) or (type(allowed), type(value)) == (float, int))


def _fit_list(arguments: Sequence[Any], value: object, where: str) -> list[Any]:
    return list(_fit_sequence((_any_or(arguments), ...), value, where))


def _fit_set(arguments: Sequence[Any], value: object, where: str) -> frozenset[Any]:
    members = sorted(value, key=repr) if isinstance(value, AbstractSet) else value
    return frozenset(_fit_sequence((_any_or(arguments), ...), members, where))


def _fit_mapping(arguments: Sequence[Any], value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} takes a table, got {value!r}")
    for key in value:
        if not isinstance(key, str):  # 3 and "3" would be one name, and the second would replace the first
            raise ConfigurationError(
                f"{where} takes a table whose names are texts, got the name {key!r}; write {str(key)!r}"
            )
    kind = arguments[1] if arguments else Any
    return {key: converted(kind, item, f"{where}.{key}") for key, item in value.items()}


def _any_or(arguments: Sequence[Any]) -> Any:
    """Return the type of a container's members; ``Any`` where it names none, as a bare ``list``."""
    return arguments[0] if arguments else Any


def _fit_union(kinds: Sequence[Any], value: object, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    if Given in kinds and stands_for_an_object(value):
        return _fit_object(value, where)
    choices = _choices(kinds, value)
    if Given in kinds and isinstance(value, type):
        return _fit_object(value, where)
    if str in kinds and isinstance(value, PurePath):
        value = str(value)  # as from a file
    fits = list(_fits([kind for kind in choices if kind is not Given], value, where))
    if fits:
        return min(fits, key=lambda fit: _change(value, fit))  # of equals the first
    *_, last = choices
    try:
        return converted(last, value, where)
    except ConfigurationError:
        named = [
            kind for kind in choices if kind is not int or float not in choices
        ]  # "a number" already includes whole ones
        spoken = {_SPOKEN.get(kind, "") for kind in named}
        if "" in spoken and len(named) > 1 and not _may_be_meant(named, value):
            words = dict.fromkeys(_SPOKEN.get(kind) or f"a {type_words(kind)}" for kind in named)
            raise ConfigurationError(f"{where} takes {' or '.join(words)}, got {value!r}") from None
        if len(spoken) == 1 or "" in spoken:
            raise
        raise ConfigurationError(f"{where} takes {' or '.join(sorted(spoken))}, got {value!r}") from None


def _choices(kinds: Sequence[Any], value: object) -> list[Any]:
    """Return the types of a union that a value may be meant for, None not among them."""
    choices = [kind for kind in kinds if kind is not type(None)]
    if isinstance(value, PLAIN) and not isinstance(value, Given):
        choices = [kind for kind in choices if kind is not Given]
    if isinstance(value, Mapping):  # is meant as a table where one is taken: what is wrong in it is the error
        choices = [kind for kind in choices if _is_table(kind)] or choices
    return choices


def _is_table(kind: Any) -> bool:
    return (get_origin(kind) or kind) in {dict, Mapping} or (isinstance(kind, type) and attrs.has(kind))


def _fits(kinds: Sequence[Any], value: object, where: str) -> Iterator[Any]:
    """Yield what a value is as each of some types that take it; members of a closed set before texts at large."""
    for kind in sorted(kinds, key=lambda kind: not (isinstance(kind, type) and issubclass(kind, Enum))):
        with suppress(ConfigurationError):
            yield converted(kind, value, where)


def _change(value: object, fit: object) -> int:
    """Return how far a fitted value is from the one given: 0 if it is the same, 1 if it is another number or class, 2 if it became a text."""
    if isinstance(value, Mapping):
        return max((_change(item, _member(fit, str(key))) for key, item in value.items()), default=0)
    if isinstance(fit, list | tuple) and isinstance(value, Sequence):
        return max((_change(one, other) for one, other in zip(value, fit, strict=True)), default=0)
    if isinstance(fit, AbstractSet) and isinstance(value, Iterable):
        return 0 if fit == frozenset(value) else 2
    if type(fit) is type(value) or isinstance(fit, Enum):
        return 0
    return 2 if isinstance(fit, str) or (isinstance(fit, PurePath) and not isinstance(value, str)) else 1


def _member(table: object, name: str) -> object:
    """Return what a table, or an attrs object made of one, has under the name of a setting."""
    return table[name] if isinstance(table, Mapping) else getattr(table, fields_of(type(table))[name].name)


def _may_be_meant(kinds: Sequence[Any], value: object) -> bool:
    """Return True if a value is a table or list, or a text where some are allowed: then the error of its type says more."""
    if isinstance(value, str):
        return any(get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum)) for kind in kinds)
    return isinstance(value, Mapping | Sequence | AbstractSet)


def _fit_sequence(arguments: Sequence[Any], value: object, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigurationError(f"{where} takes a list, got {value!r}")
    arguments = arguments or (Any, ...)
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise ConfigurationError(f"{where} takes {len(kinds)} values, got {list(value)!r}")
    return tuple(
        converted(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _first_line(error: BaseException) -> str:
    """Return the first line of an error; an attrs validator's message is a tuple whose first entry is the sentence."""
    text = str(error.args[0]) if error.args else str(error)
    return text.splitlines()[0]


_SPOKEN: Mapping[type, str] = {
    Given: "an object",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
CONTAINERS: Mapping[Any, Callable[[Sequence[Any], object, str], Any]] = {
    Union: _fit_union,
    types.UnionType: _fit_union,
    Literal: _fit_literal,
    tuple: _fit_sequence,
    list: _fit_list,
    set: _fit_set,
    frozenset: _fit_set,
    Sequence: lambda arguments, value, where: _fit_sequence((_any_or(arguments), ...), value, where),
    dict: _fit_mapping,
    Mapping: _fit_mapping,
}
