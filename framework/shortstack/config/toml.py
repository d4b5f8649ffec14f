"""Tables from text in TOML, within what TOML itself promises: whole numbers of 64 bits, and no nesting without end."""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

_DEEPEST: Final = 64
"""Levels of tables and lists; no settings have ten."""


def toml_tables(text: str) -> dict[str, Any]:
    """Return the tables of a text.

    >>> toml_tables("seed = 3")
    {'seed': 3}

    Raises:
        ValueError: It is not TOML, or holds a whole number of more than 64 bits, or tables and lists nested too deeply.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    _require_plain(tables, 0)
    return tables


def _require_plain(value: object, depth: int) -> None:
    """Raise if a value is one that Python can hold and TOML cannot: it could not be printed, added or converted."""
    if depth > _DEEPEST:
        raise _too_deep()
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("a whole number has more than 64 bits")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        _require_plain(each, depth + 1)


def _too_deep() -> ValueError:
    return ValueError(f"tables or lists are nested more than {_DEEPEST} deep")
