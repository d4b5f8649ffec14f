"""Recipes for damaged files, and for sources that no adapter should recognise."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import attrs
from hypothesis import strategies as st

_NUMBER: Final = re.compile(rb"[0-9]+")
_FIELD: Final = re.compile(rb"[A-Za-z0-9.]+[^A-Za-z0-9.\n]?")
_LINE: Final = re.compile(rb"[^\n]*\n?")


def _replaced(pattern: "re.Pattern[bytes]", data: bytes, place: int, change: Callable[[bytes], bytes]) -> bytes:
    """Change the match of index ``place`` modulo their number; return the data unchanged if there is none."""
    matches = [match for match in pattern.finditer(data) if match[0]]
    if not matches:
        return data
    start, stop = matches[place % len(matches)].span()
    return data[:start] + change(data[start:stop]) + data[stop:]


def _inserted(data: bytes, place: int, what: bytes) -> bytes:
    at = place % (len(data) + 1)
    return data[:at] + what + data[at:]


DAMAGES: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "empty": lambda _data, _place: b"",
    "truncated": lambda data, place: data[: place % (len(data) + 1)],
    "lost field": lambda data, place: _replaced(_FIELD, data, place, lambda _: b""),
    "lost line": lambda data, place: _replaced(_LINE, data, place, lambda _: b""),
    "repeated line": lambda data, place: _replaced(_LINE, data, place, lambda line: line + line),
    "joined lines": lambda data, place: _replaced(_LINE, data, place, lambda line: line.rstrip(b"\r\n")),
    "blank line": lambda data, place: _replaced(_LINE, data, place, lambda line: b"\n" + line),
    "text in a number": lambda data, place: _replaced(_NUMBER, data, place, lambda number: number + b"x"),
    "huge number": lambda data, place: _replaced(_NUMBER, data, place, lambda number: number + b"0" * 30),
    "negative number": lambda data, place: _replaced(_NUMBER, data, place, lambda number: b"-" + number),
    "not UTF-8": lambda data, place: _inserted(data, place, b"\xff\xfe"),
    "NUL": lambda data, place: _inserted(data, place, b"\0"),
    "quote": lambda data, place: _inserted(data, place, b'"'),
    "newline": lambda data, place: _inserted(data, place, b"\n"),
}
"""Name of a damage → function of a file's bytes and a place, which returns the damaged bytes."""


@attrs.frozen(kw_only=True)
class Damage:
    """Recipe for one damaged file.

    Attributes:
        kind: One of ``DAMAGES``, or ``"lost file"``.
        file: Index of the file in the folder, sorted by name, modulo their number.
        place: Index of a byte, a line, a field or a number in it, modulo their number.
    """

    kind: str = attrs.field(validator=attrs.validators.in_({*DAMAGES, "lost file"}))
    file: int = 0
    place: int = 0

    def of_each_kind(self) -> "Iterator[Damage]":
        """Yield this damage, and every other kind of damage at the same place."""
        for kind in dict.fromkeys([self.kind, *DAMAGES, "lost file"]):
            yield attrs.evolve(self, kind=kind)

    def apply(self, folder: Path) -> None:
        """Damage one of the files in a folder or below it."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not files:
            return
        path = files[self.file % len(files)]
        if self.kind == "lost file":
            path.unlink()
        else:
            path.write_bytes(DAMAGES[self.kind](path.read_bytes(), self.place))


@attrs.frozen(kw_only=True)
class OtherSource:
    """Recipe for a source that belongs to no adapter.

    Attributes:
        kind: An empty folder, a folder with one file, or a file.
        name: Name of the file.
        content: Content of the file, written as latin-1.
    """

    kind: Literal["empty folder", "folder", "file"]
    name: str = "notes.xyz"
    content: str = ""

    def write(self, folder: Path) -> Path:
        """Write it into an empty folder and return its path."""
        if self.kind == "empty folder":
            return folder
        path = folder / self.name
        # latin-1, so that a content can hold any byte
        path.write_bytes(self.content.encode("latin-1"))
        return folder if self.kind == "folder" else path


def damages() -> st.SearchStrategy[Damage]:
    """Draw one damage to one of some files."""
    return st.builds(
        Damage, kind=st.sampled_from([*DAMAGES, "lost file"]), file=st.integers(0, 3), place=st.integers(0, 9_999)
    )


def other_sources() -> st.SearchStrategy[OtherSource]:
    """Draw empty folders, and files that no adapter should recognise."""
    return st.builds(
        OtherSource,
        kind=st.sampled_from(["empty folder", "folder", "file"]),
        name=st.sampled_from(["notes.xyz", "picture.bin", "README", "backup~"]),
        content=st.sampled_from(["", "hello\n", "1,2,3\n4,5,6\n", "1\t2\t3\t4\n", "{}\n", "\0\xff\xfe"]),
    )
