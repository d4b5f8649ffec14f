"""``netflix-prize``: the Netflix Prize in its official layout.

Source: the README of the Netflix Prize data set (2006); Bennett & Lanning 2007, "The Netflix Prize", KDD Cup.
"""

from collections.abc import Iterator
from pathlib import Path

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError, SourceNotFoundError
from shortstack.hooks import hookimpl
from shortstack_netflix_prize.layout import Layout, find


@attrs.frozen
class NetflixPrize:
    """Adapter of a folder with ``movie_titles.csv`` (or ``.txt``) and the ratings, in few files or in one per movie."""

    def detect(self, source: str | Path) -> Edition | None:
        """Return the edition by the numbers of ratings and movies; None if files are missing, or in both layouts."""
        layouts = find(Path(source))
        return _edition(*layouts[0].counts()) if len(layouts) == 1 else None

    def read(self, source: str | Path) -> Records:
        """Read all ratings, and all movies that are listed, rated or not.

        Raises:
            SourceNotFoundError: ``source`` does not exist.
            DataError: It holds no Netflix Prize, or holds it twice.
            RowError: A line is bad.
        """
        from shortstack_netflix_prize.reading import read_ratings, read_titles

        layout = _the_one(Path(source))
        ratings, movies = read_ratings(layout.ratings)
        edition = _edition(len(ratings), movies)
        return Records(interactions=ratings.lazy(), items=read_titles(layout.titles).lazy(), edition=edition)


def write(_settings: object, sample: Sample, folder: Path) -> Path:
    """Write a small sample in the official layout."""
    from shortstack_netflix_prize.writing import write_sample

    return write_sample(sample, folder)


DESCRIPTOR = DatasetDescriptor(
    name="netflix-prize",
    summary="The Netflix Prize: a folder with movie_titles.csv and combined_data_*.txt, or training_set/mv_*.txt.",
    build=lambda _settings: NetflixPrize(),
    reference="Bennett & Lanning 2007, The Netflix Prize, KDD Cup and Workshop",
    traits=DatasetTraits(ratings=True, timestamps=True, titles=True, categories=False),
    write=write,
)


@hookimpl
def shortstack_datasets() -> Iterator[DatasetDescriptor]:
    """Yield the adapter."""
    yield DESCRIPTOR


def _the_one(source: Path) -> Layout:
    if not source.exists():
        raise SourceNotFoundError(f"{source} is not there; give the folder with movie_titles.csv")
    layouts = find(source)
    if not layouts:
        raise DataError(
            f"{source} is no Netflix Prize: it should be a folder with movie_titles.csv (or .txt) and "
            "combined_data_*.txt, or training_set/mv_*.txt"
        )
    if len(layouts) > 1:
        raise DataError(f"{source} holds the ratings twice, as combined_data_*.txt and as mv_*.txt; take one away")
    return layouts[0]


def _edition(ratings: int, movies: int) -> Edition:
    whole = (ratings, movies) == (100_480_507, 17_770)
    return Edition(
        name="netflix-prize" if whole else "netflix-prize-part", facts={"ratings": ratings, "movies": movies}
    )
