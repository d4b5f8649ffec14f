"""Columns of text become typed columns, all at once; only what fails is looked at row by row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import polars as pl

from shortstack.errors import RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column, Kind, Value

_MILLISECONDS: Final[Mapping[Kind, float]] = {"s": 1_000.0, "ms": 1.0, "us": 0.001}
_YEAR_1900, _YEAR_1970, _YEAR_2200 = -2_208_988_800_000, 0, 7_258_118_400_000
_SHOWN: Final = 80
_HUGE: Final = 10**15
"""Times a thousand of these are still whole numbers of 64 bits."""
_NO_FRACTION: Final = r"\.0+$"
"""What programs that know no missing whole number write behind whole numbers."""
_EXACT: Final = 2**53
"""Up to here floats tell whole numbers apart."""
_CANDIDATES: Final = r"^[^ ]+-[01]( [^ ]+-[01])*$"
_CLOCK: Final = "%m/%d/%Y %I:%M:%S %p"
_EXPECTED: Final[Mapping[Kind, str]] = {
    "id": "a name",
    "whole": "a whole number",
    "number": "a number",
    "label": "a text",
    "candidates": "a list of names, each with -0 or -1 behind it",
    "s": "a time in seconds",
    "ms": "a time in milliseconds",
    "us": "a time in microseconds",
    "iso": "an ISO 8601 time such as 2009-05-04T23:08:57Z",
    "clock": "a time such as 11/9/2019 9:05:58 AM",
}


def typed(
    texts: pl.DataFrame, columns: Sequence[Column], *, place: str, line: Callable[[int], int], bad: BadRows
) -> pl.DataFrame:
    """Give every column its type and its role's name; rows that a column does not want are left out.

    Args:
        texts: A String column for each of ``columns``, under its role.
        columns: What they are.
        place: The file, for errors.
        line: The line of a row, numbered from 0; asked only for bad rows.
        bad: What to do with rows where a value is not what its column should hold.

    Raises:
        RowError: The first of them, unless they are skipped.
    """
    if any(column.only for column in columns):
        chosen = _chosen(texts, columns).arg_true()
        kept = [column for column in columns if not column.only]
        return typed(texts[chosen], kept, place=place, line=lambda row: line(chosen[row]), bad=bad)
    table = texts.select(_parsed(column, texts[column.role]).alias(column.role) for column in columns)
    wrongs = [_wrong(texts[column.role], table[column.role], column) for column in columns]
    flags = pl.select(wrong.alias(str(number)) for number, wrong in enumerate(wrongs)).get_columns()
    if not any(flag.any() for flag in flags):
        return table
    wrong = pl.repeat(value=False, n=len(table), eager=True)
    for flag in flags:
        wrong = wrong | flag
    rows = wrong.arg_true()
    for row in rows:
        if not bad.wants_example:
            break
        column = next(column for column, flag in zip(columns, flags, strict=True) if flag[row])
        bad.meet(RowError(place, line(row), _problem(texts[column.role][row], column)))
        rows = rows[1:]
    bad.more(len(rows))
    return table.filter(~wrong)


def _chosen(texts: pl.DataFrame, columns: Sequence[Column]) -> pl.Series:
    """Bool ``(rows,)``: where every column has one of the values that it should."""
    chosen = pl.repeat(value=True, n=len(texts), eager=True, dtype=pl.Boolean)
    for column in columns:
        if column.only:
            chosen &= _is_one_of(texts[column.role].fill_null(""), column.only)
    return chosen


def _is_one_of(texts: pl.Series, values: Sequence[Value]) -> pl.Series:
    """Numbers are compared as numbers, however they are written, and truth values in any case."""
    truths = [str(value).lower() for value in values if isinstance(value, bool)]
    others = [value for value in values if not isinstance(value, bool)]
    numbers = [float(value) for value in others if not isinstance(value, str) and abs(value) <= _EXACT]
    found = texts.is_in([str(value) for value in others])
    if numbers:
        found |= texts.cast(pl.Float64, strict=False).is_in(numbers).fill_null(value=False)
    return found | texts.str.to_lowercase().is_in(truths) if truths else found


def _parsed(column: Column, texts: pl.Series) -> pl.Expr:
    """The values; those that are not what they should be are null, or, where they stay texts, as they were."""
    text = pl.col(column.role)
    if column.kind in {"id", "whole"}:
        floats = column.kind == "whole" and texts.str.contains(".", literal=True).any()
        return text.str.replace(_NO_FRACTION, "") if floats else text
    if column.kind == "label":
        return pl.when(text.str.len_bytes() > 0).then(text)
    if column.kind == "candidates":
        return pl.when(text.str.contains(_CANDIDATES)).then(text)
    if column.kind in {"iso", "clock", "form"}:
        return _within(_written(text, column), _YEAR_1900)
    if column.kind == "number":
        return _finite(text, column.within)
    return _within(_milliseconds(text, texts, column.kind), _YEAR_1900 if column.since_1900 else _YEAR_1970)


def _finite(text: pl.Expr, within: tuple[float, float] | None = None) -> pl.Expr:
    number = text.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite() if within is None else number.is_between(*within)).then(number)


def _milliseconds(text: pl.Expr, texts: pl.Series, unit: Kind) -> pl.Expr:
    """From a time in a unit."""
    whole = texts.cast(pl.Int64, strict=False)
    if (
        unit != "us" and whole.is_between(-_HUGE, _HUGE).all() and not whole.null_count()
    ):  # the fast way, for most times
        return pl.lit(whole) * int(_MILLISECONDS[unit])
    return (_finite(text) * _MILLISECONDS[unit]).round().cast(pl.Int64, strict=False)


def _within(milliseconds: pl.Expr, first: int) -> pl.Expr:
    """Only times that data can be of: milliseconds read as seconds would be tens of thousands of years away."""
    return pl.when(milliseconds.is_between(first, _YEAR_2200, closed="left")).then(milliseconds)


def _written(text: pl.Expr, column: Column) -> pl.Expr:
    """Milliseconds, of a time in words."""
    if column.kind == "iso":
        return _iso(text)
    return _formed(text, _CLOCK if column.kind == "clock" else column.form)


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


def _formed(text: pl.Expr, form: str) -> pl.Expr:
    """Milliseconds; a time without a zone is UTC. polars takes a fraction of a second and its dot as one."""
    zone = "UTC" if "%z" in form.replace("%%", "") else None
    moments = text.str.to_datetime(form.replace(".%f", "%.f"), time_unit="ms", time_zone=zone, strict=False)
    return moments.dt.replace_time_zone(None).cast(pl.Int64)


def _wrong(texts: pl.Series, values: pl.Series, column: Column) -> pl.Expr:
    """Bool ``(rows,)``: where the value is not what it should be."""
    text, value = pl.lit(texts), pl.lit(values)
    if column.kind == "label":
        return pl.repeat(value=False, n=len(values))
    if column.kind == "whole":
        return value.cast(pl.Int64, strict=False).is_null()
    empty = text.is_null() | (text == "")
    if column.kind == "id":
        return empty
    return value.is_null() & ~empty if column.optional else value.is_null()


def _problem(value: str | None, column: Column) -> str:
    if not value:
        return f"{column.name} is empty; it should be {_expected(column)}"
    shown = column.name if column.private else f"{column.name} {_short(value)!r}"
    if column.kind in _MILLISECONDS and (milliseconds := _number(value)) is not None:
        era = ("before 1900" if column.since_1900 else "before 1970") if milliseconds < 0 else "beyond the year 2200"
        return f"{shown}, as a time in {column.kind}, lies {era}; check its unit"
    bounds = "" if column.within is None else " from {:g} to {:g}".format(*column.within)
    return f"{shown} is not {_expected(column)}{bounds}"


def _expected(column: Column) -> str:
    return f"a time of the form {column.form!r}" if column.kind == "form" else _EXPECTED[column.kind]


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"


def _number(value: str) -> float | None:
    """As polars reads it; None if it is none, or not finite."""
    number = pl.Series([value]).cast(pl.Float64, strict=False)
    return number[0] if number.is_finite()[0] else None
