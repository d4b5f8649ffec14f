"""The state of a fold, put away as safetensors and JSON and read back."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from safetensors.torch import load, save
from torch import Tensor

_PLAIN = (bool, int, float, str, type(None))


def stored_and_read(state: Any) -> Any:
    """A copy of a state that has been through bytes: tensors through safetensors, plain values through JSON.

    Raises:
        TypeError: It holds something that is neither; says what, and where.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, object] = {}
    _put_away(state, "state", tensors, plain)
    read, values = load(save(tensors)), json.loads(json.dumps(plain))
    return _rebuilt(state, "state", read, values)


def same_state(left: Any, right: Any) -> bool:
    """Whether two states hold the same tensors, bit for bit, and the same values."""
    ours: tuple[dict[str, Tensor], dict[str, object]] = ({}, {})
    theirs: tuple[dict[str, Tensor], dict[str, object]] = ({}, {})
    _put_away(left, "state", *ours)
    _put_away(right, "state", *theirs)
    same = all(torch.equal(tensor, theirs[0][name]) for name, tensor in ours[0].items() if name in theirs[0])
    return same and ours[0].keys() == theirs[0].keys() and repr(ours[1]) == repr(theirs[1])


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a container holds, by a name of each; None if it is no container."""
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {json.dumps(key): item for key, item in value.items()}
    if isinstance(value, list | tuple):
        return {str(index): item for index, item in enumerate(value)}
    return None


def _put_away(value: Any, place: str, tensors: dict[str, Tensor], plain: dict[str, object]) -> None:
    parts = _parts(value)
    if parts is not None:
        plain[f"{place} holds"] = list(parts)
        for name, part in parts.items():
            _put_away(part, f"{place}.{name}", tensors, plain)
    elif isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().clone().contiguous()
    elif isinstance(value, _PLAIN):
        plain[place] = value
    else:
        raise TypeError(
            f"{place} is a {type(value).__name__}; a state holds tensors, plain values, and attrs classes, mappings and "
            "lists of them"
        )


def _rebuilt(value: Any, place: str, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> Any:
    """A value of the same shape, from what was read."""
    parts = _parts(value)
    if parts is None:
        return tensors[place] if isinstance(value, Tensor) else plain[place]
    made = {name: _rebuilt(part, f"{place}.{name}", tensors, plain) for name, part in parts.items()}
    if attrs.has(type(value)):
        aliases = {field.name: field.alias for field in attrs.fields(type(value))}
        return type(value)(**{str(aliases[name]): part for name, part in made.items()})
    if isinstance(value, Mapping):
        return {json.loads(key): part for key, part in made.items()}
    named = hasattr(type(value), "_fields")
    return type(value)(*made.values()) if named else type(value)(made.values())
