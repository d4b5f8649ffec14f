"""A correct adapter of a binary format, where no error can name a line of text."""

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.errors import DataError, RowError, SourceNotFoundError

TABLES = "pragma synchronous = off; pragma journal_mode = memory; create table ratings (user, item, rating, seconds); create table movies (item, title, category);"


class Sqlite:
    """Reads an SQLite file."""

    def detect(self, source):
        """Recognise the file by its first bytes."""
        path = Path(source)
        if not path.is_file() or not path.read_bytes().startswith(b"SQLite format 3\0"):
            return None
        return Edition(name=path.stem)

    def read(self, source):
        """Read rows, which a generator checks."""
        path = Path(source)
        if not path.exists():
            raise SourceNotFoundError(f"{path} is not there; give an SQLite file")
        if self.detect(path) is None:
            raise DataError(f"{path} is no SQLite file")
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
                rows = list(_checked(path, database.execute("select rowid, * from ratings order by rowid")))
                movies = database.execute("select item, title, category, null from movies group by item").fetchall()
        except (sqlite3.Error, OverflowError):
            raise DataError(f"{path} is damaged, or has not the tables ratings and movies") from None
        schema = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
        texts = dict.fromkeys(("item", "title", "category", "text"), pl.String)
        return Records(
            interactions=pl.LazyFrame(rows, schema=schema, orient="row"),
            items=pl.LazyFrame(
                [[v if v is None else str(v) for v in m] for m in movies if m[0]], schema=texts, orient="row"
            ),
            edition=Edition(name=path.stem),
        )


def _checked(path, cursor):
    for number, user, item, rating, seconds in cursor:
        if not (isinstance(user, str) and user and isinstance(item, str) and item):
            raise RowError(path, number, "a user or an item has no id that is text")
        if not isinstance(rating, float):
            raise RowError(path, number, f"rating {rating!r} is not a number")
        if not isinstance(seconds, int) or abs(seconds) > 1 << 40:
            raise RowError(path, number, f"seconds {seconds!r} is not a time")
        yield user, item, rating, seconds * 1000


def write(_settings, sample, folder):
    """Write one file with two tables."""
    path = folder / "small.sqlite"
    rows = [
        (row.user, row.item, row.rating, row.timestamp // 1000 if isinstance(row.timestamp, int) else row.timestamp)
        for row in sample.rows
    ]
    movies = [(item, title, sample.categories.get(item)) for item, title in sample.titles.items()]
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TABLES)
        database.executemany("insert into ratings values (?, ?, ?, ?)", rows)
        database.executemany("insert into movies values (?, ?, ?)", movies)
        database.commit()
    return path


SQLITE = DatasetDescriptor(
    name="sqlite",
    summary="Ratings and movies in an SQLite file.",
    build=lambda _settings: Sqlite(),
    traits=DatasetTraits(titles=True, categories=True, text_ids=True),
    write=write,
)
