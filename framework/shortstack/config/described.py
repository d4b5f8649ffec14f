"""Every setting of a run, with what it takes and means, as its class says."""

import types
from collections.abc import Iterator
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import attrs

from shortstack.config.descriptions import documented_attributes
from shortstack.config.given import Given
from shortstack.config.reader import BOUNDS
from shortstack.config.run import RunConfig


@attrs.frozen(kw_only=True)
class Setting:
    """A setting of a run.

    Attributes:
        path: Its dotted path.
        kind: The annotation of its field.
        default: The default of its field.
        bounds: The validator of its field.
        meaning: Its entry in the docstring of its class.
    """

    path: str
    kind: Any
    default: Any
    bounds: Any
    meaning: str


def all_settings(cls: type = RunConfig, prefix: str = "") -> Iterator[Setting]:
    """Yield every setting with those of its tables after it.

    Raises:
        ValueError: One is not documented in its class.
    """
    hints, meanings = get_type_hints(cls), documented_attributes(cls)
    for field in attrs.fields(cast("type[attrs.AttrsInstance]", cls)):
        path = f"{prefix}{field.name}"
        if field.name not in meanings:
            raise ValueError(f"{cls.__name__}.{field.name} has no entry under Attributes")
        yield Setting(
            path=path,
            kind=hints[field.name],
            default=field.default,
            bounds=field.metadata.get(BOUNDS),
            meaning=meanings[field.name],
        )
        inner = table_class(hints[field.name])
        if inner is not None:
            yield from all_settings(inner, f"{path}.")


def table_class(kind: Any) -> type | None:
    """Return the settings class of a table, which may be left out; None for a setting that is a value."""
    classes = [
        one
        for one in (kind, *parts_of(kind))
        if isinstance(one, type) and attrs.has(one) and not issubclass(one, Given)
    ]
    return classes[0] if classes else None


def parts_of(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union; none for another annotation."""
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else ()
