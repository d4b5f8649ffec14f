"""Tables as TOML with comments: the meaning of each setting stands above it."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shortstack.errors import ConfigurationError

_WIDTH: Final = 100
"""Characters of a comment's line."""
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_DEEPEST: Final = 2
"""Names in the path of a table with lines of its own; one further down stands within a line."""


def commented_toml(tables: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    """Return tables as TOML.

    Args:
        tables: Nested tables; a setting that is None is left out.
        meanings: Dotted path → meaning.

    Raises:
        ConfigurationError: A text is none that a file can hold.

    >>> print(commented_toml({"seed": 3, "data": {"core": 5}}, {"data.core": "Least number."}))
    seed = 3
    <BLANKLINE>
    [data]
    <BLANKLINE>
    # Least number.
    core = 5
    """
    return "\n".join(_lines((), tables, meanings)).strip()


def _lines(path: tuple[str, ...], table: Mapping[str, Any], meanings: Mapping[str, str]) -> Iterator[str]:
    """Yield the settings of a table, then the tables in it."""
    inner = {name for name, value in table.items() if isinstance(value, Mapping) and len(path) < _DEEPEST}
    for name, value in table.items():
        if name not in inner and value is not None:
            yield from _comment(meanings.get(".".join((*path, name)), ""))
            yield f"{_key(name)} = {_value(value)}"
    for name in (name for name in table if name in inner):
        whole = (*path, name)
        yield from _comment(meanings.get(".".join(whole), "")) or [""]
        yield f"[{'.'.join(map(_key, whole))}]"
        yield from _lines(whole, table[name], meanings)


def _comment(text: str) -> list[str]:
    """Return a text as a comment below an empty line; nothing for an empty text."""
    lines = textwrap.wrap(text.replace("``", ""), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return ["", *(f"# {line}" for line in lines)] if lines else []


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_value(one)}' for name, one in value.items())} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    return _text(str(value))


def _text(text: str) -> str:
    """Return a text in quotes: JSON's, but for one character that TOML escapes as well."""
    if not text.isascii() and any(0xD800 <= ord(one) < 0xE000 for one in text):
        raise ConfigurationError(f"{text!r} is no text that a TOML file can hold; rename it")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
