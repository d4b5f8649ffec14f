"""Resolution of names in a configuration to objects: a built-in's, or ``module:attribute``."""

from collections.abc import Mapping
from importlib import import_module

import attrs

from shortstack.config.given import Given
from shortstack.config.reader import structure
from shortstack.errors import ConfigurationError, UnknownNameError


def named_class(what: str, name: str, built_in: Mapping[str, type]) -> type:
    """Return the attrs class of settings that a name refers to.

    Args:
        what: The kind of thing, for the error messages, for example ``"strategy"``.
        name: A built-in's name, or where to import a class from, for example ``"my_package:MyStrategy"``.
        built_in: The built-ins by name.

    Raises:
        UnknownNameError: No built-in has that name; the message suggests the nearest.
        ConfigurationError: There is nothing to import, or it is no attrs class.
    """
    if ":" not in name:
        if name not in built_in:
            raise UnknownNameError(what, name, built_in)
        return built_in[name]
    imported = attribute_named(what, name)
    if not (isinstance(imported, type) and attrs.has(imported)):
        raise ConfigurationError(f"{what} {name!r} must be an attrs class, got {imported!r}")
    return imported


def named_object(what: str, name: str, built_in: Mapping[str, type], settings: Mapping[str, object]) -> object:
    """Return the object that a name and its settings define, or that was given in the name's place.

    Args:
        what: The kind of thing, for the error messages, for example ``"strategy"``.
        name: As for ``named_class``; or the object (``Given``), which has its settings already.
        built_in: The built-ins by name.
        settings: Settings of the named object.

    Raises:
        UnknownNameError: No built-in has that name, or it has no such setting; the message suggests the nearest.
        ConfigurationError: A setting has a value that is not allowed, or an object was given with settings beside it.
    """
    if not isinstance(name, Given):
        return structure(named_class(what, name, built_in), settings, f"{what} {name!r}")
    if settings:
        raise ConfigurationError(f"{what} {name!r} is an object and has its settings; leave {settings!r} out")
    return name.value


def attribute_named(what: str, name: str) -> object:
    """Import the object that ``module:attribute`` names.

    Args:
        what: The kind of thing, for the error messages.
        name: For example ``"my_package:MyStrategy"``.

    Raises:
        ConfigurationError: The module cannot be imported, or has no such attribute.
    """
    module, _, attribute = name.partition(":")
    try:
        return vars(import_module(module))[attribute]
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"{what} {name!r} cannot be imported: {error}") from error
    except KeyError:
        raise ConfigurationError(f"{what} {name!r} cannot be imported: {module} has no {attribute!r}") from None
