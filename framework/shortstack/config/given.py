"""Objects in place of names: from Python, a setting takes an object where it takes a name; its digest identifies it."""

from collections.abc import Mapping
from functools import partial
from types import FunctionType
from typing import Any, Final, cast

import attrs

from shortstack.config.object_digest import digest_of_object
from shortstack.errors import ConfigurationError

_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None))


# a str subclass, so that all code that handles names works on it unchanged
class Given(str):  # noqa: SLOT000 -- it holds the object
    """Object passed in place of a name; as a string, its name.

    Where settings are written (``run.json``) and compared, it is represented by that name and a digest of its content,
    so that a run with another object is another run.

    >>> given = Given.of(print)
    >>> given, given.value
    ('print', <built-in function print>)
    """

    value: Any

    @classmethod
    def of(cls, value: object, *, name: str = "") -> "Given":
        """Wrap an object and name it.

        Args:
            value: Any object except a plain value, which a file could hold.
            name: By default its own ``name``, or that of its class or function, in lower case with ``-`` between words.

        Raises:
            ConfigurationError: The object is a class, or a plain value.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, type):
            raise ConfigurationError(f"takes an instance, got the class {value.__name__}; write {value.__name__}()")
        if isinstance(value, _PLAIN):
            raise ConfigurationError(f"takes a text or an object, got {value!r}")
        wrapped = cls(name or name_of(value))
        wrapped.value = value
        return wrapped

    @property
    def digest(self) -> str:
        """Digest of the object's content and of its code.

        Raises:
            ConfigurationError: Its content cannot be digested; the message says what to do.
        """
        known: str | None = vars(self).get("_digest")
        if known is None:
            known = vars(self)["_digest"] = digest_of_object(self.value)
        return known

    def __copy__(self) -> "Given":
        """Return the object itself: a given object is used, never changed."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Given":
        """Return the object itself."""
        return self

    def __getnewargs__(self) -> tuple[str]:
        """Return the string for pickle; the object itself is pickled as state."""
        return (str(self),)


def renew_digests(settings: object) -> None:
    """Digest every object in some settings again: what a script holds may have changed since the last run.

    Within a run a digest stands, though a callback may count its steps meanwhile.

    Raises:
        ConfigurationError: An object cannot be digested.
    """
    if isinstance(settings, Given):
        vars(settings).pop("_digest", None)
        settings.digest  # noqa: B018 -- now, before the run changes anything
    elif attrs.has(type(settings)):
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(settings))):
            renew_digests(getattr(settings, field.name))
    elif isinstance(settings, Mapping):
        for item in settings.values():
            renew_digests(item)
    elif isinstance(settings, list | tuple):
        for item in settings:
            renew_digests(item)


def value_of(name: object) -> Any:
    """Return the object if one was given, else the name."""
    return name.value if isinstance(name, Given) else name


def name_of(value: object) -> str:
    """Return an object's name: its ``name``, or that of its class or function.

    >>> name_of(ValueError())
    'value-error'
    """
    name = getattr(value, "name", None)
    if isinstance(name, str) and name:
        return name
    if isinstance(value, partial):
        return name_of(value.func)
    called = value if hasattr(value, "__qualname__") else type(value)
    words = str(getattr(called, "__name__", type(value).__name__)).strip("<>_")
    parts = [f"-{c.lower()}" if c.isupper() and i and not words[i - 1].isupper() else c for i, c in enumerate(words)]
    return "".join(parts).replace("_", "-").lower() if isinstance(called, type | FunctionType) else words
