"""Conversion of text columns to typed columns in bulk; only rows that fail are examined one by one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import polars as pl

from shortstack.errors import RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column, ColumnKind, Value

_MILLISECONDS: Final[Mapping[ColumnKind, float]] = {"s": 1_000.0, "ms": 1.0, "us": 0.001}
_YEAR_1900, _YEAR_1970, _YEAR_2200 = -2_208_988_800_000, 0, 7_258_118_400_000
_SHOWN: Final = 80
_HUGE: Final = 10**15
"""Largest seconds that are multiplied as integers: a thousand times as much still fits into 64 bits."""
_NO_FRACTION: Final = r"\.0+$"
"""The fraction of whole numbers that were written as floats, by programs without missing values for integers."""
EXACT: Final = 2**53
"""From here on, neighbouring integers are the same 64-bit float."""
_CANDIDATES: Final = r"^[^ ]+-[01]( [^ ]+-[01])*$"
_CLOCK: Final = "%m/%d/%Y %I:%M:%S %p"
_EXPECTED: Final[Mapping[ColumnKind, str]] = {
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
    """Convert every column to its type, under its role's name; rows that a column's ``only`` excludes are left out.

    Args:
        texts: A String column for each of ``columns``, under its role.
        columns: The columns.
        place: The file, for errors.
        line: Returns the line of a row, rows numbered from 0; called only for bad rows.
        bad: Collects rows with a value that does not suit its column.

    Raises:
        RowError: A row is bad, and bad rows are not skipped.
    """
    # rows that are left out are removed first, for their other columns may be bad
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
    # the first few bad rows become examples; all others are only counted
    for row in rows:
        if not bad.wants_example:
            break
        column = next(column for column, flag in zip(columns, flags, strict=True) if flag[row])
        bad.meet(RowError(place, line(row), _problem(texts[column.role][row], column)))
        rows = rows[1:]
    bad.more(len(rows))
    return table.filter(~wrong)


def _chosen(texts: pl.DataFrame, columns: Sequence[Column]) -> pl.Series:
    """Return bool ``(rows,)``: True where every column with ``only`` has one of its values."""
    chosen = pl.repeat(value=True, n=len(texts), eager=True, dtype=pl.Boolean)
    for column in columns:
        if column.only:
            chosen &= _is_one_of(texts[column.role].fill_null(""), column.only)
    return chosen


def _is_one_of(texts: pl.Series, values: Sequence[Value]) -> pl.Series:
    """Compare texts with values: numbers as numbers, in any notation, and truth values in any case.

    >>> _is_one_of(pl.Series(["1.0", "TRUE", "a"]), [1, True]).to_list()
    [True, True, False]
    """
    truths = [str(value).lower() for value in values if isinstance(value, bool)]
    others = [value for value in values if not isinstance(value, bool)]
    numbers = [float(value) for value in others if not isinstance(value, str) and abs(value) <= EXACT]
    matches = texts.is_in([str(value) for value in others])
    if numbers:
        matches |= texts.cast(pl.Float64, strict=False).is_in(numbers).fill_null(value=False)
    return matches | texts.str.to_lowercase().is_in(truths) if truths else matches


def _parsed(column: Column, texts: pl.Series) -> pl.Expr:
    """Return the parsed values; invalid ones are null, or unchanged in columns that stay text."""
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


def _milliseconds(text: pl.Expr, texts: pl.Series, unit: ColumnKind) -> pl.Expr:
    """Convert times in a unit to milliseconds."""
    whole = texts.cast(pl.Int64, strict=False)
    if (
        unit != "us" and whole.is_between(-_HUGE, _HUGE).all() and not whole.null_count()
    ):  # integers avoid the rounding of floats, and are faster
        return pl.lit(whole) * int(_MILLISECONDS[unit])
    return (_finite(text) * _MILLISECONDS[unit]).round().cast(pl.Int64, strict=False)


def _within(milliseconds: pl.Expr, first: int) -> pl.Expr:
    """Keep plausible times alone: milliseconds read as seconds would be tens of thousands of years away."""
    return pl.when(milliseconds.is_between(first, _YEAR_2200, closed="left")).then(milliseconds)


def _written(text: pl.Expr, column: Column) -> pl.Expr:
    """Convert times that are text to milliseconds."""
    if column.kind == "iso":
        return _iso(text)
    return _formed(text, _CLOCK if column.kind == "clock" else column.form)


def _iso(text: pl.Expr) -> pl.Expr:
    """Convert ISO 8601 times to milliseconds; a time without a zone is UTC."""
    plain = text.str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00")
    zoned = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="ms", time_zone="UTC", strict=False)
    local = (
        plain.str.to_datetime(form, time_unit="ms", strict=False) for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
    )
    day = plain.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms"))
    moments = [zoned.dt.replace_time_zone(None), *local, day]
    return pl.coalesce(moment.cast(pl.Int64) for moment in moments)


_FIRST_OF_1900: Final = 2069
"""The first year that is one of the 1900s where two digits are given."""


def _formed(text: pl.Expr, form: str) -> pl.Expr:
    """Convert times of a format to milliseconds; without a zone they are UTC. polars' ``%.f`` includes the dot."""
    parts = form.replace("%%", "")
    zone = "UTC" if "%z" in parts else None
    moments = text.str.to_datetime(form.replace(".%f", "%.f"), time_unit="ms", time_zone=zone, strict=False)
    if "%y" in parts:  # of the years 00 to 99, polars takes 69 for 2069, and Python for 1969
        moments = pl.when(moments.dt.year() >= _FIRST_OF_1900).then(moments.dt.offset_by("-100y")).otherwise(moments)
    return moments.dt.replace_time_zone(None).cast(pl.Int64)


def _wrong(texts: pl.Series, values: pl.Series, column: Column) -> pl.Expr:
    """Return bool ``(rows,)``: True where the value does not suit its column."""
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
    """Parse a number as polars does; None if it is none, or not finite."""
    number = pl.Series([value]).cast(pl.Float64, strict=False)
    return number[0] if number.is_finite()[0] else None
