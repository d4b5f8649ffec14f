"""The kind of a file by its first bytes, whatever its name says."""

from pathlib import Path, PurePath
from typing import Final

from shortstack.errors import DataError

LOOK: Final = 512
"""Bytes at the beginning of a file that say of which kind it is."""
_SIGNATURES: Final = (
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
)
"""Source: each format's specification; https://en.wikipedia.org/wiki/List_of_file_signatures."""
_SHEETS: Final = ((b"[Content_Types].xml", "an Excel workbook"), (b"opendocument", "an OpenDocument sheet"))
"""What a zip archive begins with, after its own header, if a spreadsheet program wrote it."""
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_PAGES: Final = (b"<!doctype html", b"<html>", b"<html ")
_PACKINGS: Final = {"a gzip file": ".gz", "a bzip2 file": ".bz2", "a zip archive": ".zip"}
_REMEDIES: Final = {
    "an HTML page": "download the file itself",
    "an Arrow file": "write it as Parquet",
    "an SQLite database": "write its table as Parquet or CSV",
    **dict.fromkeys(("an Excel workbook", "an OpenDocument sheet"), "save it as CSV in the program that made it"),
}
_CONTROLS: Final = frozenset(range(32)) - {*b"\t\n\r\f"}


def kind_by_first_bytes(beginning: bytes) -> str | None:
    r"""Return of which kind a file is, with its article; None if its beginning does not say.

    >>> kind_by_first_bytes(b"\x1f\x8b\x08\x00"), kind_by_first_bytes(b"PAR1 is a name\n"), kind_by_first_bytes(b"")
    ('a gzip file', 'a text', None)
    """
    if beginning.startswith(_UTF_16) or _is_wide(beginning):
        return "UTF-16"
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:14].lower().startswith(_PAGES):
        return "an HTML page"
    if beginning and _CONTROLS.isdisjoint(beginning):
        return "a text"
    if beginning.startswith(b"PK\x03\x04"):
        return next((kind for sign, kind in _SHEETS if sign in beginning[:LOOK]), "a zip archive")
    return next((kind for signature, kind in _SIGNATURES if beginning.startswith(signature)), None)


def require_kind(beginning: bytes, place: str, expected: str, *, unpacks: bool = True) -> None:
    """Raise if a file is not of the kind that its name says.

    Args:
        beginning: Its first ``LOOK`` bytes, or all of it.
        place: Its path, for the message.
        expected: The kind that is read: ``"a text"``, or one with an ending of its own, such as ``"a Parquet file"``.
        unpacks: Whether a file of this kind may be packed with gzip, bzip2 or zip.

    Raises:
        DataError: It is of another kind; the message says of which, and what to do. A kind that is not recognised is no error.
    """
    found = kind_by_first_bytes(beginning)
    signatures = tuple(signature for signature, kind in _SIGNATURES if kind == expected)
    if found in {None, expected} or (signatures and beginning.startswith(signatures)):
        return
    if found == "UTF-16" and expected == "a text":
        raise DataError(f"{place} is UTF-16; write it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW")
    raise DataError(
        f"{place} is {found} by its first bytes, not {expected}; {_remedy(str(found), place, expected, unpacks=unpacks)}"
    )


def require_kind_of_file(path: Path, expected: str) -> None:
    """Raise if a file, of those that are not unpacked, is not of the kind that its name says; see ``require_kind``.

    Raises:
        DataError: It is of another kind.
    """
    with path.open("rb") as file:
        require_kind(file.read(LOOK), str(path), expected, unpacks=False)


def _remedy(found: str, place: str, expected: str, *, unpacks: bool) -> str:
    path = PurePath(place)
    packing = path.suffix if path.suffix.lower() in _PACKINGS.values() else ""
    inner = PurePath(path.name.removesuffix(packing))
    if expected in _PACKINGS:  # of which the kind inside is not known
        packing, unpacks = "", True
    if found in {"a text", "UTF-16"}:
        named = inner.name if expected in _PACKINGS else f"{inner.stem}.csv{packing}, or as its format ends"
        return f"rename it to {named}"
    if found == "a Parquet file":
        return f"rename it to {inner.stem}.parquet{packing}, or write it as a text"
    if found in _PACKINGS:
        return f"rename it to {inner.name}{_PACKINGS[found]}" if unpacks and not packing else "unpack it"
    return _REMEDIES.get(found, "unpack it")


def _is_wide(beginning: bytes) -> bool:
    """Return True if every second byte of the beginning is zero, as in UTF-16 without a byte order mark.

    >>> _is_wide("user".encode("utf-16-le")), _is_wide(b"user")
    (True, False)
    """
    start = beginning[:32]
    return len(start) > 3 and any(not any(start[side::2]) and all(start[1 - side :: 2]) for side in (0, 1))
