"""The line ``sep=;`` with which a CSV may begin: Excel takes the separator from it, and no header."""

import re
from typing import Final

_LINE: Final = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=([^"\r\n])"?(?:\r\n|\n|\r|$)', re.IGNORECASE)
LONGEST: Final = 16
"""Bytes that hold the whole line, however it is written."""


def separator_line(beginning: bytes) -> tuple[str, int] | None:
    r"""Return the separator that a file's first line sets, and the length of that line in bytes; None if it is none.

    Args:
        beginning: The file's first ``LONGEST`` bytes, or more.

    >>> separator_line(b"sep=;\r\nuser;item\r\n"), separator_line(b"sep=a,b\n"), separator_line(b"user;item\n")
    ((';', 7), None, None)
    """
    found = _LINE.match(beginning)
    return None if found is None else (found[1].decode("latin-1"), found.end())
