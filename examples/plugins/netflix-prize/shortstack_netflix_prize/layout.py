"""Layouts of the files of the Netflix Prize."""

from pathlib import Path

import attrs

TITLES = ("movie_titles.csv", "movie_titles.txt")
RATINGS = ("combined_data_*.txt", "training_set/mv_*.txt")


@attrs.frozen(kw_only=True)
class Layout:
    """The files of one copy.

    Attributes:
        titles: File of one line per movie.
        ratings: Files of blocks: a line ``movie:`` and its ratings, one line each; ordered by name.
    """

    titles: Path
    ratings: tuple[Path, ...]

    def counts(self) -> tuple[int, int]:
        """Return the numbers of ratings and movies: lines without and with a colon; nothing is parsed."""
        lines = movies = 0
        for path in self.ratings:
            last = b"\n"
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    lines, movies, last = lines + block.count(b"\n"), movies + block.count(b":"), block[-1:]
            lines += last != b"\n"
        return lines - movies, movies


def find(source: Path) -> list[Layout]:
    """Return the layouts in a folder: none, one, or by mistake both."""
    titles = [source / name for name in TITLES if (source / name).is_file()]
    ratings = [tuple(sorted(source.glob(pattern))) for pattern in RATINGS]
    return [Layout(titles=titles[0], ratings=paths) for paths in ratings if titles and paths]
