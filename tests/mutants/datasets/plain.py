"""A correct adapter in plain Python, each of whose parts can be exchanged for a wrong one."""

import re
from collections.abc import Callable
from pathlib import Path

import attrs
import polars as pl

from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.errors import DataError, RowError, SourceNotFoundError

RATINGS, MOVIES = "ratings.tsv", "movies.tsv"
INTERACTIONS = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
ITEMS = {"item": pl.String, "title": pl.String, "category": pl.String, "text": pl.String}
MILLISECONDS = re.compile(r"-?[0-9]{1,14}")
STARS = re.compile(r"[0-9]+(\.[0-9]+)?")


def lines(path):
    """Yield each line of a file with its number."""
    texts = path.read_bytes().split(b"\n")
    for number, line in enumerate(texts, start=1):
        if number < len(texts) or line:
            try:
                yield number, line.removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                raise RowError(path, number, "the line is not UTF-8") from None


def interaction(path, number, line):
    """Parse one row: user, item, rating, time."""
    fields = line.split("\t")
    if len(fields) != 4:
        raise RowError(path, number, f"{len(fields)} fields instead of 4")
    user, item, rating, time = fields
    if not user or not item:
        raise RowError(path, number, "a user or an item has no id")
    if not STARS.fullmatch(rating):
        raise RowError(path, number, f"rating {rating!r} is not a number")
    if not MILLISECONDS.fullmatch(time):
        raise RowError(path, number, f"time {time!r} is not in milliseconds")
    return user, item, float(rating), int(time)


def movie(path, number, line):
    """Parse one item: id, title, category, no text."""
    fields = line.split("\t")
    if len(fields) != 3 or not fields[0]:
        raise RowError(path, number, "the line is not item, title, category")
    return *fields, None


def recognised(source):
    """Return the edition of a folder with both files, or None."""
    there = (Path(source) / RATINGS).is_file() and (Path(source) / MOVIES).is_file()
    return Edition(name="plain") if there else None


def unchanged(records):
    """Return the records as they are."""
    return records


def table(rows, schema):
    """Build a data frame from rows."""
    return pl.DataFrame(list(rows), schema=schema, orient="row")


@attrs.frozen(kw_only=True)
class Plain:
    """Reads ``ratings.tsv`` and ``movies.tsv``: tabs, no header, milliseconds."""

    recognised: Callable = recognised
    lines: Callable = lines
    interaction: Callable = interaction
    finished: Callable = unchanged

    def detect(self, source):
        """Return whether and how the adapter recognises a folder."""
        return self.recognised(source)

    def read(self, source):
        """Read everything into memory."""
        folder = Path(source)
        if not folder.exists():
            raise SourceNotFoundError(f"{folder} is not there; give a folder")
        if recognised(folder) is None:
            raise DataError(f"{folder} does not hold {RATINGS} and {MOVIES}")
        ratings, movies = folder / RATINGS, folder / MOVIES
        interactions = (self.interaction(ratings, number, line) for number, line in self.lines(ratings))
        items = {row[0]: row for row in (movie(movies, number, line) for number, line in self.lines(movies))}
        return self.finished(
            Records(
                interactions=table(filter(None, interactions), INTERACTIONS).lazy(),
                items=table(items.values(), ITEMS).lazy(),
                edition=Edition(name="plain"),
            )
        )


def write(_settings, sample, folder):
    """Write both files."""
    rows = [(row.user, row.item, row.rating, row.timestamp) for row in sample.rows]
    movies = [(item, title, sample.categories.get(item, "")) for item, title in sample.titles.items()]
    for name, written in ((RATINGS, rows), (MOVIES, movies)):
        text = "".join("\t".join(map(str, fields)) + "\n" for fields in written)
        (folder / name).write_bytes(text.encode())
    return folder


def plain(name="plain", adapter=None, **changes):
    """Build the adapter's descriptor, with some of its parts exchanged."""
    return DatasetDescriptor(
        name=name,
        summary="Tab-separated ratings and movies.",
        build=lambda _settings: adapter or Plain(**changes),
        traits=DatasetTraits(ratings=True, timestamps=True, titles=True, categories=True, text_ids=True),
        write=write,
    )
