"""Adapter of data sets that are published under fixed file names: finds, identifies and reads them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import attrs

from shortstack.contracts import Edition, Records
from shortstack.errors import DataError, SourceNotFoundError
from shortstack_datasets.reading.sources import Files, found


class Published(Protocol):
    """A data set that was found."""

    @property
    def place(self) -> str:
        """Path of the data set, for messages."""

    def edition(self) -> Edition:
        """Identify the edition."""

    def records(self) -> Records:
        """Read the data set."""


Set = TypeVar("Set", bound=Published)


@attrs.frozen(kw_only=True)
class OfficialFiles(Generic[Set]):
    """Adapter that reads the one data set of a source.

    Attributes:
        what: Name of the data, for errors: ``"MovieLens"``.
        needs: The expected files, for errors.
        recognise: Returns the data sets among files of one folder or archive.
        looks_right: Returns whether a data set's content begins as its name suggests: only then is it detected. Reading
            does not require it, because the reader's errors are more precise.
    """

    what: str
    needs: str
    recognise: Callable[[Files], Sequence[Set]]
    looks_right: Callable[[Set], bool] = lambda _: True

    def detect(self, source: str | Path) -> Edition | None:
        """Return the edition; None if the source holds no data set of this kind, or several.

        Raises:
            DataError: An archive is broken.
        """
        try:
            sets = found(Path(source), self.recognise)
        except SourceNotFoundError:
            return None
        return sets[0].edition() if len(sets) == 1 and self.looks_right(sets[0]) else None

    def read(self, source: str | Path) -> Records:
        """Read the data set.

        Raises:
            SourceNotFoundError: ``source`` does not exist.
            DataError: It holds no such data set, or several, or is damaged.
            RowError: A row is bad, and bad rows are not skipped.
        """
        sets = found(Path(source), self.recognise)
        if not sets:
            raise DataError(f"{source} is no {self.what} data set: it should hold {self.needs}{self._way_out(source)}")
        if len(sets) > 1:
            places = ", ".join(candidate.place for candidate in sets)
            raise DataError(f"{source} holds several {self.what} data sets ({places}); name one of them")
        return sets[0].records()

    def _way_out(self, source: str | Path) -> str:
        """Return the advice to name the folder, where the source is one of several files of a data set."""
        path = Path(source)
        return f"; name its folder, {path.parent}" if path.is_file() and found(path.parent, self.recognise) else ""
