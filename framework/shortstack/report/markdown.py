"""Texts from data, plugins and settings on their way into Markdown: nothing in them is markup."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shortstack.terminal_text import visible

# signs that are markup at the beginning of a line alone are left: no text of others begins one
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def escaped(text: object) -> str:
    r"""Return a text in one line that Markdown shows as it is.

    >>> print(escaped("a|b <i> `c` [d](e)"))
    a\|b \<i\> \`c\` \[d\](e)
    """
    return _MARKUP.sub(r"\\\1", visible(" ".join(str(text).split())))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def literal(text: str) -> str:
    r"""Return a text as a literal of Python that ends no block of code.

    >>> print(literal("``` Amélie\n"))
    "\x60\x60\x60 Am\xe9lie\n"
    """
    return '"' + ascii(text)[1:-1].replace("\\'", "'").replace('"', '\\"').replace("`", "\\x60") + '"'
