"""The settings of an attrs class, by the names that files use."""

from typing import Any, cast, get_type_hints

import attrs


def fields_of(cls: type) -> dict[str, "attrs.Attribute[Any]"]:
    """Return the settings of an attrs class: the name that its constructor and files use → the field."""
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    return {str(field.alias): field for field in fields if field.init}


def hints_of(cls: type) -> dict[str, Any]:
    """Return the annotation of each setting of an attrs class, by the names of ``fields_of``.

    Raises:
        TypeError: A setting has no annotation, or one that names nothing when the program runs.
    """
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise TypeError(
            f"the settings {cls.__name__} have an annotation that cannot be read: {error}; import it outside of "
            "TYPE_CHECKING, at the top of the module"
        ) from error
    bare = [name for name, field in fields_of(cls).items() if field.name not in hints]
    if bare:
        raise TypeError(f"the setting {cls.__name__}.{bare[0]} has no annotation; write its type, as in {bare[0]}: int")
    return {name: hints[field.name] for name, field in fields_of(cls).items()}
