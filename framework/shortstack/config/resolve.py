"""Resolution of names in a configuration to objects: a built-in's, or ``module:attribute``."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Final

import attrs

from shortstack.config.given import Given
from shortstack.config.reader import structure
from shortstack.errors import ConfigurationError, UnknownNameError

_IMPORTING: Final = ContextVar("importing by name", default=True)


@contextmanager
def no_imports_by_name() -> Iterator[None]:
    """Refuse all names of the form ``module:attribute`` inside: settings found in a folder may have been written by others."""
    before = _IMPORTING.set(False)
    try:
        yield
    finally:
        _IMPORTING.reset(before)


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
    found = vars(module_named(what, name))
    module, _, attribute = name.partition(":")
    if attribute not in found:
        raise ConfigurationError(f"{what} {name!r} cannot be imported: {module} has no {attribute!r}")
    return found[attribute]


def module_named(what: str, name: str) -> ModuleType:
    """Import the module of ``module:attribute``: the one place where settings name code to run.

    Raises:
        ConfigurationError: It cannot be imported, or must not be: see ``no_imports_by_name``.
    """
    if not _IMPORTING.get():
        raise ConfigurationError(
            f"{what} {name!r} would be imported, and the settings in a run's folder may have been written by others; if you trust them, say "
            "shortstack audit --imports, or give shortstack plan the run's TOML file"
        )
    try:
        return import_module(name.partition(":")[0])
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"{what} {name!r} cannot be imported: {error}") from error
    except Exception as error:  # whatever the module itself raises, such as an error of its syntax
        raise ConfigurationError(
            f"{what} {name!r} cannot be imported, for its module raises {type(error).__name__}: {error}; --traceback shows where"
        ) from error
