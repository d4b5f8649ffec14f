"""Strict conversion of settings, from a TOML file or keywords, to typed, frozen values.

Only lossless conversions are made: a whole number becomes a float or a text where one is expected, and a date, which
TOML writes without quotes, becomes a text. ``"3"`` is no number and ``3.7`` no count. Every error names the setting
by its full path and says what is allowed.
"""

import inspect
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs

from shortstack.config.given import Given
from shortstack.errors import ConfigurationError, UnknownNameError

T = TypeVar("T")


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
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where or 'a run'} takes a table of settings, got {value!r}")
    fields = {field.name: field for field in attrs.fields(cast("type[attrs.AttrsInstance]", cls)) if field.init}
    hints = get_type_hints(cls)
    for name in value:
        if name not in fields:
            raise UnknownNameError(f"setting of {where or 'a run'}:", str(name), fields)
    missing = [n for n, f in fields.items() if f.default is attrs.NOTHING and n not in value]
    if missing:
        raise ConfigurationError(f"{where or 'a run'} needs the setting {missing[0]!r}")
    settings = {name: _fit(hints[name], setting, _path(where, name)) for name, setting in value.items()}
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
        fitted = _fit(field.type, value, where)
        return convert(fitted) if callable(convert) else fitted

    def validate(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if validator is not None:
            with _refusals(where):
                validator(instance, attribute, value)

    return field.evolve(converter=fit, validator=validate)


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
    hints = get_type_hints(type(instance))
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(instance)))
    values = {field.name: getattr(instance, field.name) for field in fields if field.init}
    fits = {name: _fit(hints[name], value, _path(where, name)) for name, value in values.items()}
    return instance if fits == values else type(instance)(**fits)


def unstructure(value: object) -> Any:
    """Return plain lists, mappings and scalars, which ``structure`` reads back; given objects become name and digest.

    >>> unstructure({"folders": (PurePath("a"), PurePath("b"))})
    {'folders': ['a', 'b']}
    """
    if isinstance(value, Given):
        return {_OBJECT: str(value), "digest": value.digest}
    if attrs.has(type(value)):
        instance = cast("attrs.AttrsInstance", value)
        return {f.name: unstructure(getattr(instance, f.name)) for f in attrs.fields(type(instance)) if f.init}
    if isinstance(value, Mapping):
        return {str(key): unstructure(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((unstructure(item) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [unstructure(item) for item in value]
    return _unstructured_scalar(value)


def _unstructured_scalar(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return value if isinstance(value, _PLAIN) else unstructure(Given.of(value))


def name_in_record(value: Any) -> str:
    """Return the name in written settings, whether a text or the record of a given object.

    >>> name_in_record("fisher"), name_in_record({"python object": "my-scorer", "digest": "5f"})
    ('fisher', 'my-scorer')
    """
    return str(value[_OBJECT] if _stands_for_an_object(value) else value)


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


def overridden(tree: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of nested tables with values set as on the command line.

    Args:
        tree: The tables.
        overrides: ``"table.setting=value"``, where the value is TOML, ``none``, or else taken as a text.

    Raises:
        ConfigurationError: An override is not of that form.

    >>> overridden({"seed": 0}, ["seed=3", "device=cpu"])
    {'seed': 3, 'device': 'cpu'}
    """
    changed = dict(tree)
    for override in overrides:
        name, separator, value = override.partition("=")
        if not separator or not name.strip():
            raise ConfigurationError(
                f"--set takes setting=value, or table.setting=value for one in a table, got {override!r}"
            )
        changed = replace(changed, name.strip(), None if value.strip() == "none" else _toml_value(value.strip()))
    return changed


def _toml_value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if isinstance(value, date | time) else value


def _fit(kind: Any, value: object, where: str) -> Any:
    """Return ``value`` converted to a type; raise an error that names the setting if it does not fit."""
    container = _CONTAINERS.get(get_origin(kind))
    if container is not None:
        return container(get_args(kind), value, where)
    if kind is Given:
        return _fit_object(value, where)
    if isinstance(kind, type) and attrs.has(kind):
        return structure(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _fit_enum(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return value if isinstance(value, kind) else kind(_fit_scalar(str, value, where))
    return _fit_scalar(kind, value, where)


def _fit_scalar(kind: Any, value: object, where: str) -> Any:
    if kind is Any or kind is object:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, date | time):
        return value.isoformat()
    if kind is str and isinstance(value, PurePath):
        return str(value)
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isnan(value):  # NaN equals nothing, so a run with it could never be recognised
        raise ConfigurationError(f"{where} takes {_SPOKEN.get(kind, str(kind))}, got {value!r}")
    # True is an int in Python, but no number in a file
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        quoted = f"; write '\"{value}\"' for that text" if kind is str and isinstance(value, bool | float) else ""
        raise ConfigurationError(f"{where} takes {_SPOKEN.get(kind, str(kind))}, got {value!r}{quoted}")
    return value


def _stands_for_an_object(value: object) -> bool:
    return isinstance(value, Mapping) and value.keys() == {_OBJECT, "digest"}


def _fit_object(value: Any, where: str) -> Given:
    if _stands_for_an_object(value):
        raise ConfigurationError(
            f"{where} is an object, {value[_OBJECT]!r}, that Run was given in Python and no file can hold; build the same Run "
            "there again, and execute it in the same folder"
        )
    try:
        return Given.of(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where} {error}") from None


def _fit_literal(arguments: Sequence[Any], value: object, where: str) -> Any:
    if value in arguments:
        return value
    if isinstance(value, str):
        raise UnknownNameError(f"value of {where}:", value, [str(a) for a in arguments])
    raise ConfigurationError(f"{where} must be one of {', '.join(map(repr, arguments))}, got {value!r}")


def _fit_enum(kind: type[Enum], value: object, where: str) -> Enum:
    """A member, by its value as files have it."""
    if isinstance(value, kind):
        return value
    for member in kind:
        if type(member.value) is type(value) and member.value == value:
            return member
    allowed = ", ".join(repr(member.value) for member in kind)
    raise ConfigurationError(f"{where} must be one of {allowed}, got {value!r}")


def _fit_list(arguments: Sequence[Any], value: object, where: str) -> list[Any]:
    return list(_fit_sequence((arguments[0], ...), value, where))


def _fit_set(arguments: Sequence[Any], value: object, where: str) -> frozenset[Any]:
    members = sorted(value, key=repr) if isinstance(value, AbstractSet) else value
    return frozenset(_fit_sequence((arguments[0], ...), members, where))


def _fit_mapping(arguments: Sequence[Any], value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} takes a table, got {value!r}")
    return {str(key): _fit(arguments[1], item, f"{where}.{key}") for key, item in value.items()}


def _fit_union(kinds: Sequence[Any], value: object, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    choices = [kind for kind in kinds if kind is not type(None)]
    if Given in kinds and _stands_for_an_object(value):
        return _fit_object(value, where)
    if isinstance(value, _PLAIN) and not isinstance(value, Given):
        choices = [kind for kind in choices if kind is not Given]
    if type(value) in choices:
        return _fit(type(value), value, where)  # exact type first: another choice might convert it
    if Given in kinds and isinstance(value, type):
        return _fit_object(value, where)
    *others, last = choices
    for kind in others:
        with suppress(ConfigurationError):
            return _fit(kind, value, where)
    try:
        return _fit(last, value, where)
    except ConfigurationError:
        named = [
            kind for kind in choices if kind is not int or float not in choices
        ]  # "a number" already includes whole ones
        spoken = {_SPOKEN.get(kind, "") for kind in named}
        if len(spoken) == 1 or "" in spoken:
            raise
        raise ConfigurationError(f"{where} takes {' or '.join(sorted(spoken))}, got {value!r}") from None


def _fit_sequence(arguments: Sequence[Any], value: object, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigurationError(f"{where} takes a list, got {value!r}")
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise ConfigurationError(f"{where} takes {len(kinds)} values, got {list(value)!r}")
    return tuple(_fit(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _first_line(error: BaseException) -> str:
    """Return the first line of an error; an attrs validator's message is a tuple whose first entry is the sentence."""
    text = str(error.args[0]) if error.args else str(error)
    return text.splitlines()[0]


_PLAIN = (bool, int, float, str, type(None))
_READABLE = {Any, object, bool, int, float, str, type(None), Given, list, tuple, dict, Mapping, Sequence}
_OBJECT = "python object"
"""Key of a given object's name in written settings."""
_SPOKEN: Mapping[type, str] = {
    Given: "an object",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
_CONTAINERS: Mapping[Any, Callable[[Sequence[Any], object, str], Any]] = {
    Union: _fit_union,
    types.UnionType: _fit_union,
    Literal: _fit_literal,
    tuple: _fit_sequence,
    list: _fit_list,
    set: _fit_set,
    frozenset: _fit_set,
    Sequence: lambda arguments, value, where: tuple(_fit_list(arguments, value, where)),
    dict: _fit_mapping,
    Mapping: _fit_mapping,
}


def describe_settings(cls: type) -> list[dict[str, str]]:
    """Return name, type, default and meaning of each setting of an attrs class, as text.

    The meaning is what its docstring, or that of the class that it has the setting from, says under ``Attributes:``.

    Raises:
        TypeError: A setting is of a type that no file can give.
    """
    hints, meanings = get_type_hints(cls), documented_attributes(cls)
    for field in attrs.fields(cast("type[attrs.AttrsInstance]", cls)):
        if field.init:
            _require_readable(hints[field.name], f"{cls.__name__}.{field.name}")
    return [
        {
            "name": field.name,
            "type": _type_text(hints[field.name]),
            "default": _default_text(field.default),
            "meaning": meanings.get(field.name, ""),
        }
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", cls))
        if field.init
    ]


def _require_readable(kind: Any, where: str) -> None:
    """Refuse a type that ``_fit`` cannot make a value of, when the class is listed and not when a value is set.

    Raises:
        TypeError: It is one.
    """
    origin, parts = get_origin(kind), [part for part in get_args(kind) if part is not Ellipsis]
    if origin is Literal or kind in _READABLE or (isinstance(kind, type) and issubclass(kind, Enum | PurePath)):
        return
    if origin in {dict, Mapping} and parts and parts[0] not in {str, Any}:
        raise TypeError(f"the setting {where} has keys of the type {_type_text(parts[0])}, and keys in files are texts")
    if origin in _CONTAINERS:
        for part in parts:
            _require_readable(part, where)
    elif isinstance(kind, type) and attrs.has(kind):
        for name, hint in get_type_hints(kind).items():
            _require_readable(hint, f"{where}.{name}")
    elif not getattr(kind, "_is_protocol", False):  # an object that Python alone can give
        raise TypeError(
            f"the setting {where} has the type {_type_text(kind)}, which no file can give; use bool, int, float, str, Path, an Enum, "
            "Literal, list, tuple, set, Mapping, another attrs class, or a union of these"
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
    return repr(default.factory()) if isinstance(default, attrs.Factory) else repr(default)  # type: ignore[arg-type]
