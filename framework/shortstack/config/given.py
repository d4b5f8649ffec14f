"""Objects in place of names: whatever a setting names, Python may give instead; a digest tells one from another."""

from types import FunctionType
from typing import Any, Final

from shortstack.config.object_digest import digest_of_object
from shortstack.errors import ConfigurationError

_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None))


class Given(str):  # noqa: SLOT000 -- it holds the object
    """An object that a setting was given in place of a name; as a text, the name that it goes by.

    Where settings are written (``run.json``) and compared, it stands as that name and a digest of what it holds, so that a
    run with another object is another run.

    >>> given = Given.of(print)
    >>> given, given.value
    ('print', <built-in function print>)
    """

    value: Any

    @classmethod
    def of(cls, value: object, *, name: str = "") -> "Given":
        """Name an object.

        Args:
            value: Anything but what a file could say itself.
            name: By default its own ``name``, or that of its class or function, in lower case with ``-`` between words.

        Raises:
            ConfigurationError: It is a class, or a plain value.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, type):
            raise ConfigurationError(f"takes an instance, got the class {value.__name__}; write {value.__name__}()")
        if isinstance(value, _PLAIN):
            raise ConfigurationError(f"takes a text or an object, got {value!r}")
        found = cls(name or name_of(value))
        found.value = value
        return found

    @property
    def digest(self) -> str:
        """Of what the object holds and of the code that it is made of.

        Raises:
            ConfigurationError: It holds what cannot be digested; the message says what to do.
        """
        known: str | None = vars(self).get("_digest")
        if known is None:
            known = vars(self)["_digest"] = digest_of_object(self.value)
        return known

    def __copy__(self) -> "Given":
        """Itself: what is given is used, never changed."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Given":
        """Itself."""
        return self

    def __getnewargs__(self) -> tuple[str]:
        """For pickle: the text; the object travels beside it."""
        return (str(self),)


def value_of(name: object) -> Any:
    """The object where one was given; else the name."""
    return name.value if isinstance(name, Given) else name


def name_of(value: object) -> str:
    """What an object goes by: its ``name``, or that of its class or function."""
    own = getattr(value, "name", None)
    if isinstance(own, str) and own:
        return own
    called = value if hasattr(value, "__qualname__") else type(value)
    words = str(getattr(called, "__name__", type(value).__name__)).strip("<>_")
    parts = [f"-{c.lower()}" if c.isupper() and i and not words[i - 1].isupper() else c for i, c in enumerate(words)]
    return "".join(parts).replace("_", "-").lower() if isinstance(called, type | FunctionType) else words
