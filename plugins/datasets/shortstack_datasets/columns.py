"""Columns of text become typed columns, all at once; only what fails is looked at row by row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import attrs
import polars as pl

from shortstack.errors import DataError, RowError

Kind = Literal["id", "whole", "number", "label", "s", "ms", "us", "iso"]

_MILLISECONDS = {"s": 1_000.0, "ms": 1.0, "us": 0.001}
_YEAR_2200 = 7_258_118_400_000
_EXPECTED: Mapping[Kind, str] = {
    "id": "a name",
    "whole": "a whole number",
    "number": "a number",
    "label": "a text",
    "s": "a time in seconds",
    "ms": "a time in milliseconds",
    "us": "a time in microseconds",
    "iso": "an ISO 8601 time such as 2009-05-04T23:08:57Z",
}


@attrs.frozen(kw_only=True)
class Column:
    """One column to read.

    Attributes:
        name: What the file calls it, and therefore the errors.
        role: What the records call it.
        kind: ``id``: text, never empty; ``whole``: the same, digits only; ``number``: finite; ``label``: text or null;
            or a time in this unit, which becomes milliseconds.
        private: Its values must not appear in errors.
    """

    name: str
    role: str
    kind: Kind
    private: bool = False


def typed(texts: pl.DataFrame, columns: Sequence[Column], *, place: str, line: Callable[[int], int]) -> pl.DataFrame:
    """Give every column its type and its role's name.

    Args:
        texts: A String column for each of ``columns``, under its role.
        columns: What they are.
        place: The file, for errors.
        line: The line of a row, numbered from 0; asked only after a failure.

    Raises:
        RowError: The first value that is not what its column should hold.
        DataError: Times that are out of this world.
    """
    table = texts.select(_parsed(column).alias(column.role) for column in columns)
    bad = [(row, column) for column in columns if (row := _first_bad(table[column.role], column)) is not None]
    if bad:
        row, column = min(bad, key=lambda pair: pair[0])
        raise RowError(place, line(row), _problem(texts[column.role][row], column))
    for column in columns:
        _check_era(table[column.role], column, place)
    return table


def _parsed(column: Column) -> pl.Expr:
    text = pl.col(column.role)
    if column.kind in {"id", "label"}:
        return pl.when(text.str.len_bytes() > 0).then(text)
    if column.kind == "whole":
        return pl.when(text.cast(pl.Int64, strict=False).is_not_null()).then(text)
    if column.kind == "iso":
        return _iso(text)
    number = text.cast(pl.Float64, strict=False)
    finite = pl.when(number.is_finite()).then(number)
    if column.kind == "number":
        return finite
    return (finite * _MILLISECONDS[column.kind]).round().cast(pl.Int64, strict=False)


def _iso(text: pl.Expr) -> pl.Expr:
    """Milliseconds; a time without a zone is UTC."""
    plain = text.str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00")
    zoned = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="ms", time_zone="UTC", strict=False)
    local = (
        plain.str.to_datetime(form, time_unit="ms", strict=False) for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
    )
    day = plain.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms"))
    moments = [zoned.dt.replace_time_zone(None), *local, day]
    return pl.coalesce(moment.cast(pl.Int64) for moment in moments)


def _first_bad(values: pl.Series, column: Column) -> int | None:
    if column.kind == "label" or not values.null_count():
        return None
    return values.is_null().arg_max()


def _problem(value: str | None, column: Column) -> str:
    if not value:
        return f"{column.name} is empty; it should be {_EXPECTED[column.kind]}"
    shown = column.name if column.private else f"{column.name} {value!r}"
    return f"{shown} is not {_EXPECTED[column.kind]}"


def _check_era(values: pl.Series, column: Column, place: str) -> None:
    """Catch milliseconds read as seconds, which would be times tens of thousands of years away."""
    earliest, latest = (values.min(), values.max()) if column.kind in _MILLISECONDS else (None, None)
    if isinstance(earliest, int) and earliest < -_YEAR_2200:
        raise DataError(f"{place}: {column.name}, read in {column.kind}, goes back before the year 1740")
    if isinstance(latest, int) and latest > _YEAR_2200:
        raise DataError(
            f"{place}: {column.name}, read in {column.kind}, goes beyond the year 2200; is timestamp_unit "
            f"{'ms' if column.kind == 's' else 'us'!r}?"
        )
