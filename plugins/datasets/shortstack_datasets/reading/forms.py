"""How a text of rows and fields is written down. Needs no polars."""

from typing import Final, Literal

import attrs

Encoding = Literal["utf-8", "latin-1", "either"]
_UNIT_SEPARATOR: Final = "\x1f"


@attrs.frozen(kw_only=True)
class Form:
    """How a text is delimited.

    Attributes:
        separator: Of any length; a long one is replaced, because fast readers know only single characters.
        names: Of the columns; empty if the first line holds them, or if they go by their numbers.
        header: Whether the first line names the columns; if it does not and ``names`` is empty, they are ``1``, ``2``, …
        quoted: Whether ``"`` may enclose fields, where ``""`` stands for itself; only beside a separator of one character.
        escape: The character that takes the meaning from the one after it, such as a backslash; None if there is none.
        encoding: ``"either"`` is UTF-8, or else latin-1.
        encoding_setting: The setting that says the encoding, for errors; None if there is none.
    """

    separator: str
    names: tuple[str, ...] = ()
    header: bool = True
    quoted: bool = False
    escape: str | None = None
    encoding: Encoding = "utf-8"
    encoding_setting: str | None = None

    @property
    def character(self) -> str:
        """The single character that stands between fields where they are read fast."""
        return self.separator if len(self.separator.encode()) == 1 else _UNIT_SEPARATOR

    def first_line(self, data: bytes) -> str:
        """The first line of some data, for a look at it."""
        end = data.find(b"\n")
        line = data[: end if end >= 0 else len(data)].removesuffix(b"\r")
        return line.decode("latin-1" if self.encoding == "latin-1" else "utf-8", "replace")
