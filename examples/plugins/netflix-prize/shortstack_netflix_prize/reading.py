"""Reading of lines to typed columns in bulk; the first bad line is raised, and user ids are never shown."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import polars as pl

from shortstack.errors import DataError, RowError

_WHOLE: Final = r"^[0-9]+$"
_TOGETHER: Final = 64 << 20
"""Bytes of small files that are read as one table: one at a time would be ten times slower."""


@attrs.frozen(kw_only=True)
class Rule:
    """A condition on lines.

    Attributes:
        holds: Bool for each line that it applies to, null or true for others.
        problem: The problem where it does not hold.
        value: The column whose value is shown before the problem; None shows nothing.
    """

    holds: pl.Expr
    problem: str
    value: str | None = None


def read_ratings(paths: Sequence[Path]) -> tuple[pl.DataFrame, int]:
    """Read all ratings, in the order of the files and their lines, and the number of their movies.

    Columns ``user`` and ``item`` (String), ``rating`` (Float64), ``timestamp`` (Int64, milliseconds at midnight UTC).

    Raises:
        DataError: A file is empty.
        RowError: A line is neither ``movie:`` nor ``user,rating,YYYY-MM-DD``, or a value is out of its range.
    """
    parts = [_ratings(group) for group in _groups(paths)]
    return pl.concat([ratings for ratings, _ in parts]), sum(movies for _, movies in parts)


def read_titles(path: Path) -> pl.DataFrame:
    """Read ``item``, ``title`` (with the year, as in ``Dinosaur Planet (2003)``), ``category`` and ``text`` (null).

    Raises:
        DataError: The file is empty.
        RowError: A line is not ``movie,year,title``, or names a movie again.
    """
    fields = pl.col("text").str.splitn(",", 3).struct
    # three fields at most, for titles may hold commas
    lines = _lines([path], "latin-1").with_columns(
        movie=fields.field("field_0"), year=fields.field("field_1"), title=fields.field("field_2")
    )
    _check(
        lines,
        [path],
        [
            Rule(holds=pl.col("title").is_not_null(), problem="there are fewer than the three fields movie,year,title"),
            Rule(holds=_whole("movie"), value="movie", problem="is not a whole number"),
            Rule(holds=pl.col("movie").is_first_distinct(), value="movie", problem="is listed twice"),
            Rule(
                holds=pl.col("year").str.contains("^([0-9]{4}|NULL)$"), value="year", problem="is not a year, or NULL"
            ),
        ],
    )
    dated = pl.format("{} ({})", "title", "year")
    return lines.select(
        pl.col("movie").alias("item"),
        pl.when(pl.col("year") == "NULL").then("title").otherwise(dated).alias("title"),
        pl.lit(None, dtype=pl.String).alias("category"),
        pl.lit(None, dtype=pl.String).alias("text"),
    )


def _ratings(paths: Sequence[Path]) -> tuple[pl.DataFrame, int]:
    """Read the ratings of some files, and the number of their movies."""
    heads = pl.col("text").str.contains("^[^,]*:$")
    fields = pl.col("text").str.splitn(",", 3).struct
    lines = _lines(paths, "utf-8").with_columns(
        movie=pl.when(heads).then(pl.col("text").str.strip_suffix(":")).forward_fill(),
        user=pl.when(~heads).then(fields.field("field_0")),
        rating=pl.when(~heads).then(fields.field("field_1")),
        date=pl.when(~heads).then(fields.field("field_2")),
    )
    day = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    _check(
        lines,
        paths,
        [
            Rule(
                holds=heads | (pl.col("text").str.count_matches(",", literal=True) == 2),
                problem="the line is neither 'movie:' nor 'user,rating,date'",
            ),
            Rule(
                holds=heads | (pl.col("file") == pl.col("file").shift(1, fill_value=-1)),
                problem="a rating comes before the first line 'movie:'",
            ),
            Rule(holds=_whole("movie"), value="movie", problem="is not a whole number"),
            Rule(holds=heads | _whole("user"), problem="user is not a whole number"),
            Rule(
                holds=heads | pl.col("rating").str.contains("^[1-5]$"),
                value="rating",
                problem="is not a whole number from 1 to 5",
            ),
            Rule(
                # the length rules out dates without leading zeros, which are parsed as well
                holds=heads | (day.is_not_null() & (pl.col("date").str.len_bytes() == 10)),
                value="date",
                problem="is not a date such as 2005-09-06",
            ),
        ],
    )
    ratings = lines.filter(~heads).select(
        "user",
        pl.col("movie").alias("item"),
        pl.col("rating").cast(pl.Float64),
        day.cast(pl.Datetime("ms")).cast(pl.Int64).alias("timestamp"),
    )
    return ratings, len(lines) - len(ratings)


def _whole(column: str) -> pl.Expr:
    return pl.col(column).str.contains(_WHOLE)


def _groups(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield the files in their order, in groups of small ones."""
    group: list[Path] = []
    size = 0
    for path in paths:
        group, size = [*group, path], size + path.stat().st_size
        if size >= _TOGETHER:
            yield group
            group, size = [], 0
    if group:
        yield group


def _lines(paths: Sequence[Path], encoding: str) -> pl.DataFrame:
    """Read one row per line, as ``text``, with the index of its file as ``file``.

    Bytes that cannot be decoded become U+FFFD, which the rules reject.

    Raises:
        DataError: A file is empty.
    """
    texts = [path.read_bytes().decode(encoding, errors="replace").rstrip("\r\n") for path in paths]
    if "" in texts:
        raise DataError(f"{paths[texts.index('')]} is empty")
    files = pl.DataFrame({"text": texts}).with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("file"))
    return (
        files.with_columns(pl.col("text").str.split("\n"))
        .explode("text")
        .with_columns(pl.col("text").str.strip_suffix("\r"))
    )


def _check(lines: pl.DataFrame, paths: Sequence[Path], rules: Sequence[Rule]) -> None:
    """Raise a ``RowError`` for the first line that breaks a rule; of several rules, for the first."""
    broken = lines.select((~rule.holds).fill_null(value=False).alias(str(n)) for n, rule in enumerate(rules))
    bad = [(row, n) for n in range(len(rules)) if (row := broken[str(n)].arg_max()) is not None and broken[str(n)][row]]
    if not bad:
        return
    row, number = min(bad)
    value = rules[number].value
    shown = "" if value is None else f"{value} {lines[value][row]!r} "
    file = lines["file"][row]
    line = row - int((lines["file"] < file).sum()) + 1
    raise RowError(paths[file], line, f"{shown}{rules[number].problem}")
