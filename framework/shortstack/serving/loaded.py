"""A recommender in memory, apart from the folder that it came from."""

from pathlib import Path

import attrs

from shortstack.recommender import Recommender


@attrs.frozen(kw_only=True, eq=False)
class Served:
    """Recommender that is served.

    Attributes:
        recommender: The recommender; it depends on no file.
        folder: Where it was loaded from.
        marks: Name → time of change, in nanoseconds, and size, in bytes, of the folder's files when it was loaded.
    """

    recommender: Recommender
    folder: Path
    marks: dict[str, tuple[int, int]]

    @classmethod
    def load(cls, folder: Path, device: str) -> "Served":
        """Load a folder; see ``Recommender.from_pretrained`` for what is raised."""
        marks = _marks(folder) if folder.is_dir() else {}  # before: a change while it is read counts, too
        return cls(recommender=Recommender.from_pretrained(folder, device=device), folder=folder, marks=marks)

    def changed(self) -> bool:
        """Return whether the folder is not as it was loaded."""
        try:
            return _marks(self.folder) != self.marks
        except OSError:
            return True


def _marks(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {path.name: path.stat() for path in folder.iterdir() if path.is_file()}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}
