"""Settings as they are declared: what differs is written differently."""

import attrs
import pytest

from shortstack.config.declared import as_declared


@attrs.frozen
class First:
    """One way, with a default."""

    a: float = 1.0


@attrs.frozen
class Second:
    """Another way, with the same default."""

    b: float = 1.0


@attrs.frozen
class Needed:
    """A field without a default."""

    k: int
    more: int = 2


@attrs.frozen
class Settings:
    """Settings with nested classes."""

    how: First | Second = First()
    needed: Needed | None = None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"how": {"a": 1}}, {"how": {"a": 1.0}}),
        ({"how": {"b": 1}}, {"how": {"b": 1.0}}),
        ({"needed": {"k": 1, "more": 2}}, {"needed": {"k": 1}}),
    ],
)
def test_nested_classes(given, expected):
    """Of a union, the class can be seen; a field without a default stays, whatever its value."""
    assert as_declared(Settings, given, "settings") == expected
