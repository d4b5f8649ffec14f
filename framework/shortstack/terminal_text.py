"""Text from data, plugins, files and servers on its way to a terminal: nothing in it is a command to the terminal."""

import unicodedata
from typing import Final

_BIDIRECTIONAL: Final = frozenset(map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Marks that make the rest of a line appear in another order; scripts that run from right to left need none."""
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and separators of lines and paragraphs."""


def visible(text: object, *, lines: bool = False) -> str:
    r"""A text whose control characters are spelt out, as Python would.

    Args:
        text: Anything; its ``str`` is taken.
        lines: Whether line feeds and tabs stay.

    >>> visible("Heat\x1b[31m (1995)"), visible("a\nb"), visible("a\nb", lines=True) == "a\nb"
    ('Heat\\x1b[31m (1995)', 'a\\nb', True)
    """
    kept = "\n\t" if lines else ""
    return "".join(one if one in kept or not _is_unseen(one) else _spelt(one) for one in str(text))


def visible_json(text: str) -> str:
    r"""The same JSON, in which such characters are escaped as JSON has it.

    >>> visible_json('"a\u202eb"')
    '"a\\u202eb"'
    """
    return "".join(f"\\u{ord(one):04x}" if one not in "\n\t" and _is_unseen(one) else one for one in text)


def _is_unseen(one: str) -> bool:
    return one in _BIDIRECTIONAL or unicodedata.category(one) in _UNSEEN


def _spelt(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")
