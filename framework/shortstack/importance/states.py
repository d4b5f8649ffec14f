"""Serialisation of a fold scorer's state to tensors and plain values; nothing is pickled."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

import attrs
from torch import Tensor

_PLAIN: Final = (bool, int, float, str, type(None))
_CONTAINERS: Final[Mapping[str, type]] = {"list": list, "tuple": tuple, "dict": dict}

Tensors = dict[str, Tensor]
Plain = dict[str, Any]


def put_away(state: Any, place: str = "state") -> tuple[Tensors, Plain]:
    """Return a state as tensors by name and JSON values by name.

    Args:
        state: Tensors, plain values, and attrs classes, named tuples, mappings and lists of them.
        place: Prefix of the names.

    Raises:
        TypeError: The state holds a value of another type; names it and its place.

    >>> put_away({"count": 2})
    ({}, {'state is': 'dict', 'state holds': ['"count"'], 'state."count"': 2})
    """
    tensors: Tensors = {}
    plain: Plain = {}
    _put_away(state, place, tensors, plain)
    return tensors, plain


def rebuilt(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], place: str = "state") -> Any:
    """Return the state that ``put_away`` serialised.

    Its classes are looked up in modules that are already loaded, so that reading a file runs no code.

    Raises:
        TypeError: A class is missing, or is not a class of states.
        KeyError: A value is missing.

    >>> rebuilt(*put_away({"count": 2, "sizes": (3, 4)}))
    {'count': 2, 'sizes': (3, 4)}
    """
    if place in tensors:
        return tensors[place]
    if place in plain:
        return plain[place]
    made = {name: rebuilt(tensors, plain, f"{place}.{name}") for name in plain[f"{place} holds"]}
    kind = plain[f"{place} is"]
    if kind == "dict":
        return {json.loads(key): part for key, part in made.items()}
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](made.values())
    cls = _loaded(kind)
    if attrs.has(cls):
        aliases = {field.name: str(field.alias) for field in attrs.fields(cls)}
        return cls(**{aliases[name]: part for name, part in made.items()})
    return cls(*made.values())


def _put_away(value: Any, place: str, tensors: Tensors, plain: Plain) -> None:
    if isinstance(value, Tensor) and not value.is_complex():
        tensors[place] = value.detach().cpu().clone().contiguous()
        return
    if isinstance(value, _PLAIN):
        plain[place] = value
        return
    kind, parts = _parts(value, place)
    plain[f"{place} is"], plain[f"{place} holds"] = kind, list(parts)
    for name, part in parts.items():
        _put_away(part, f"{place}.{name}", tensors, plain)


def _parts(value: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    """Return a container's kind, and its contents by name."""
    cls = type(value)
    if attrs.has(cls):
        return _named(cls), {field.name: getattr(value, field.name) for field in attrs.fields(cls)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, _PLAIN):
                raise TypeError(f"{place} has the key {key!r:.40}; the keys of a mapping in a state are plain values")
        # as JSON, because names are texts, and the type of a key must survive
        return "dict", {json.dumps(key): item for key, item in value.items()}
    if isinstance(value, list | tuple):
        kind = _named(cls) if hasattr(cls, "_fields") else "list" if isinstance(value, list) else "tuple"
        return kind, {str(index): item for index, item in enumerate(value)}
    raise TypeError(
        f"{place} is a {cls.__name__}; a state holds tensors, plain values, and attrs classes, mappings and lists of them"
    )


def _named(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _loaded(name: str) -> Any:
    module, _, path = name.partition(":")
    cls: Any = sys.modules.get(module)
    for part in path.split("."):
        cls = getattr(cls, part, None)
    if not isinstance(cls, type) or not (attrs.has(cls) or hasattr(cls, "_fields")):
        raise TypeError(f"{name} is no class of states in any module that is loaded")
    return cls
