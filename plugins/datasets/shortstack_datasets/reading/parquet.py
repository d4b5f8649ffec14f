"""Parquet files."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl

from shortstack.contracts.first_bytes import LOOK, require_kind
from shortstack.errors import DataError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.parquet_sizes import unpacked_size
from shortstack_datasets.reading.streams import Stream, require_expansion
from shortstack_datasets.reading.typed_frames import ROWS, columns_there, splittable, typed_frame


def read_parquet(stream: Stream, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Read columns of a Parquet file, typed, under the names of their roles; errors number rows from 1.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
        RowError: A value does not suit its column; unless bad rows are skipped.
    """
    return pl.concat(list(parquet_parts(stream, columns, bad)))


def parquet_parts(stream: Stream, columns: Sequence[Column], bad: BadRows) -> Iterator[pl.DataFrame]:
    """Yield some rows at a time of what ``read_parquet`` reads; at least one part, which may be empty.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
        RowError: A value does not suit its column; unless bad rows are skipped.
    """
    table = parquet_table(stream, columns)
    with whole_parquet(stream.place):
        rows, schema = table.select(pl.len()).collect().item(), table.collect_schema()
    # the notation of ids that are stored as floats depends on all of them
    size = ROWS if splittable(schema, columns) else max(rows, 1)
    for start in range(0, max(rows, 1), size):
        with whole_parquet(stream.place):
            frame = table.slice(start, size).collect()
        yield typed_frame(frame, columns, place=stream.place, line=lambda row, before=start: before + row + 1, bad=bad)  # type: ignore[misc]


def parquet_table(stream: Stream, columns: Sequence[Column]) -> pl.LazyFrame:
    """Return columns of a Parquet file as they are stored, to be read; those that are optional may be missing.

    Raises:
        DataError: It is no Parquet file, or lacks a column.
    """
    data, place = parquet_bytes(stream), stream.place
    with whole_parquet(place):
        names = pl.read_parquet_schema(io.BytesIO(data))
    there = columns_there(list(names), columns, place)
    with whole_parquet(place):
        size = unpacked_size(data, {*there})
    require_expansion(place, size, len(data))
    return pl.scan_parquet(io.BytesIO(data)).select(there)


def parquet_bytes(stream: Stream) -> bytes:
    """Return a Parquet file as a whole.

    Raises:
        DataError: It is of another kind, or damaged.
    """
    data = stream.read()
    require_kind(data[:LOOK], stream.place, "a Parquet file")
    return data


@contextmanager
def whole_parquet(place: str) -> Iterator[None]:
    """Turn whatever polars raises of a damaged file into a ``DataError``; or of times with an offset for a time zone."""
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:  # of many kinds; damaged pages make polars panic
        if zone := re.search(r"parse time zone: '([^']*)'", str(error)):
            raise DataError(
                f"{place} holds times of the time zone {zone[1]!r}, which cannot be read; convert them to UTC"
            ) from error
        raise DataError(f"{place} is truncated or no Parquet file") from error
