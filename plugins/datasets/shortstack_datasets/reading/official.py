"""An adapter of files that are published under certain names: it finds them, tells the edition, and reads."""

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
        """Where it is, for people."""

    def edition(self) -> Edition:
        """Which edition it is."""

    def records(self) -> Records:
        """All of it."""


Set = TypeVar("Set", bound=Published)


@attrs.frozen(kw_only=True)
class OfficialFiles(Generic[Set]):
    """Reads the one data set that a source holds.

    Attributes:
        what: What the data are called, for errors: ``"MovieLens"``.
        needs: Which files there should be, for errors.
        recognise: The data sets among files that lie together.
        looks_right: Whether one is what it is called, by a look at its beginning: only then is it detected. It can be read
            all the same, because the reader says best what is wrong.
    """

    what: str
    needs: str
    recognise: Callable[[Files], Sequence[Set]]
    looks_right: Callable[[Set], bool] = lambda _: True

    def detect(self, source: str | Path) -> Edition | None:
        """The edition; None if the source holds no data set of this kind, or several.

        Raises:
            DataError: An archive is broken.
        """
        try:
            sets = found(Path(source), self.recognise)
        except SourceNotFoundError:
            return None
        return sets[0].edition() if len(sets) == 1 and self.looks_right(sets[0]) else None

    def read(self, source: str | Path) -> Records:
        """All of it.

        Raises:
            SourceNotFoundError: ``source`` is not there.
            DataError: It holds no such data set, or several, or is damaged.
            RowError: A row is bad, and bad rows are not to be skipped.
        """
        sets = found(Path(source), self.recognise)
        if not sets:
            raise DataError(f"{source} is no {self.what} data set: it should hold {self.needs}{self._way_out(source)}")
        if len(sets) > 1:
            places = ", ".join(one.place for one in sets)
            raise DataError(f"{source} holds several {self.what} data sets ({places}); name one of them")
        return sets[0].records()

    def _way_out(self, source: str | Path) -> str:
        """Where a file was named that is one of several."""
        path = Path(source)
        return f"; name its folder, {path.parent}" if path.is_file() and found(path.parent, self.recognise) else ""
