"""Tables in one file, or in several parts in a folder or a zip archive."""

import re
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

import attrs

from shortstack.errors import DataError, SourceNotFoundError
from shortstack_datasets.reading.kinds import KNOWN, kind_of, unpacked_name
from shortstack_datasets.reading.sources import Files, Folder, found


@attrs.frozen(kw_only=True)
class Parts:
    """Files that are read as one table.

    Attributes:
        files: The folder or archive that holds them.
        names: Their names, in order.
    """

    files: Files
    names: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Wanted:
    """Choice of the files of a folder or an archive that are parts.

    Attributes:
        pattern: Glob pattern of their names; None for all that are not hidden, with a known extension.
        but: A name to exclude.
        any_ending: Whether any extension is accepted, because the format is set.
    """

    pattern: str | None = None
    but: str | None = None
    any_ending: bool = False

    def _takes(self, name: str) -> bool:
        known = self.any_ending or kind_of(PurePath(name)) in KNOWN
        return name != self.but and (
            not name.startswith((".", "_")) and known if self.pattern is None else fnmatchcase(name, self.pattern)
        )

    def among(self, files: Files) -> list[Parts]:
        """Return the parts in a folder or archive as one table, or an empty list; empty files are ignored."""
        names = [name for name in files.names if self._takes(name) and files.size(name)]
        return [Parts(files=files, names=tuple(sorted(names, key=_by_numbers)))] if names else []


def tables(source: Path, wanted: Wanted) -> list[Parts]:
    """Return the tables in a source: its own file, or those of a folder or an archive, or else of the folders in it.

    Raises:
        DataError: An archive is damaged.
    """
    if source.is_file() and source.suffix.lower() != ".zip":
        return [Parts(files=Folder(path=source.parent, only=source.name), names=(source.name,))]
    return found(source, wanted.among) if source.exists() else []


def the_table(source: Path, wanted: Wanted) -> Parts:
    """Return the only table in a source.

    Raises:
        SourceNotFoundError: ``source`` does not exist.
        DataError: It holds no table, or several.
    """
    if not source.exists():
        raise SourceNotFoundError(f"{source} is not there; give a file, a folder of parts or a zip archive")
    sets = tables(source, wanted)
    if not sets:
        which = f"called {wanted.pattern!r}" if wanted.pattern else f"that ends with {', '.join(sorted(KNOWN))}"
        raise DataError(
            f"{source} holds no file {which}, packed or not, that is not empty; name one, or set its format"
        )
    if len(sets) > 1:
        places = ", ".join(table.files.place(table.names[0]) for table in sets)
        raise DataError(f"{source} holds tables in several folders (of {places}); name one of them")
    _check_alike(source, sets[0], wanted)
    return sets[0]


def _check_alike(source: Path, parts: Parts, wanted: Wanted) -> None:
    """Raise if parts of one table differ in format, or one occurs twice, plain and compressed."""
    twice = [name for name, count in Counter(map(unpacked_name, parts.names)).items() if count > 1]
    if twice:
        raise DataError(f"{source} holds {twice[0]} twice, packed in different ways; keep one of them")
    kinds = {kind_of(PurePath(name)): name for name in reversed(parts.names)}
    if len(kinds) > 1 and not wanted.any_ending:
        names = " and ".join(sorted(kinds.values())[:2])
        raise DataError(f"{source} holds tables of several kinds ({names}); say which are read (files = '*.csv')")


def _by_numbers(name: str) -> tuple[list[str | int], str]:
    """Return a sort key by which part 10 comes after part 2; of equal numbers, such as 02 and 2, names decide.

    >>> sorted(["part-10", "part-2", "part-02"], key=_by_numbers)
    ['part-02', 'part-2', 'part-10']
    """
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", name)], name
