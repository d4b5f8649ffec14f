"""Format of delimited text. Needs no polars."""

from typing import Final, Literal

import attrs

Encoding = Literal["utf-8", "latin-1", "either"]
_UNIT_SEPARATOR: Final = "\x1f"


@attrs.frozen(kw_only=True)
class Form:
    """The format of a delimited text.

    Attributes:
        separator: Separator of any length; a longer one is replaced, because polars takes only a single character.
        names: Names of the columns; empty if the first line holds them, or if they are numbered.
        header: Whether the first line names the columns; if it does not and ``names`` is empty, they are ``1``, ``2``, …
        quoted: Whether ``"`` may enclose fields, with ``""`` for a quote inside; only with a separator of one character.
        escape: The escape character, such as a backslash; None if there is none.
        encoding: The encoding; ``"either"`` is UTF-8, or else latin-1, line by line.
        encoding_setting: The setting of the encoding, for errors; None if there is none.
        separator_setting: The setting of the separator, for errors; None if there is none.
        quoted_setting: The setting of quotes, for errors; None if there is none.
    """

    separator: str
    names: tuple[str, ...] = ()
    header: bool = True
    quoted: bool = False
    escape: str | None = None
    encoding: Encoding = "utf-8"
    encoding_setting: str | None = None
    separator_setting: str | None = None
    quoted_setting: str | None = None

    @property
    def character(self) -> str:
        """The single character that separates fields for polars."""
        return self.separator if len(self.separator.encode()) == 1 else _UNIT_SEPARATOR

    def first_line(self, data: bytes) -> str:
        r"""Decode the first line of some data, with replacement characters for errors.

        >>> Form(separator=",").first_line(b"user,item\r\n1,2")
        'user,item'
        """
        end = data.find(b"\n")
        line = data[: end if end >= 0 else len(data)].removesuffix(b"\r")
        return line.decode("latin-1" if self.encoding == "latin-1" else "utf-8", "replace")
