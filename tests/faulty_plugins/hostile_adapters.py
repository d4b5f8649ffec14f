"""Dataset adapters that return invalid data, each in one way."""

import attrs
import polars as pl

from shortstack.contracts import DatasetDescriptor, Edition, Records
from shortstack.errors import RowError
from shortstack.hooks import hookimpl


@attrs.frozen
class Where:
    """Setting that selects the fault."""

    what: str = "raise"


ROWS = {
    "user": [f"u{i % 4}" for i in range(32)],
    "item": [f"i{i % 5}" for i in range(32)],
    "rating": [4.0] * 32,
    "timestamp": [1_000_000 * i for i in range(32)],
}
ITEMS = {name: [f"i{i}" for i in range(5)] for name in ("item", "title", "category", "text")}


def fail(_frame):
    """Raise once the lazy rows are collected."""
    raise ValueError("the archive ends early")


ROW_FAULTS = {
    "no-user": lambda rows: rows.with_columns(user=pl.when(pl.col("user") != "u1").then("user")),
    "nan": lambda rows: rows.with_columns(rating=pl.lit(float("nan"))),
    "numbers": lambda rows: rows.with_columns(item=pl.lit(3, dtype=pl.Int64)),
    "no-rating": lambda rows: rows.drop("rating"),
    "microseconds": lambda rows: rows.with_columns(timestamp=pl.lit(10**15) * 1000),
    "lazy": lambda rows: rows.map_batches(fail),
    "eager": lambda rows: rows.collect(),
}
ITEM_FAULTS = {
    "twice": lambda items: pl.concat([items, items]),
    "no-title": lambda items: items.drop("title"),
    "item-numbers": lambda items: items.with_columns(item=pl.lit(3, dtype=pl.Int64)),
}


def same(frame):
    """Return the frame unchanged."""
    return frame


@attrs.frozen
class Hostile:
    """An adapter that reads nothing and invents its rows."""

    what: str

    def detect(self, source):
        """Accept any source."""
        return Edition(name="made-up")

    def read(self, source):
        """Return the rows with the selected fault."""
        if self.what == "raise":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        if self.what == "row":
            raise RowError(source, 3, "rating is 'x'; it must be a number")
        if self.what == "nothing":
            return None
        return Records(
            interactions=ROW_FAULTS.get(self.what, same)(pl.LazyFrame(ROWS)),
            items=ITEM_FAULTS.get(self.what, same)(pl.LazyFrame(ITEMS)),
            edition=Edition(name="made-up"),
        )


@hookimpl
def shortstack_datasets():
    """Yield the adapter."""
    yield DatasetDescriptor(name="hostile", summary="Hostile.", build=lambda config: Hostile(config.what), config=Where)
