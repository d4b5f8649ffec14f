"""Values of JSON: parsed so that they can be stored, and as the texts of columns."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import CATEGORY, Column
from shortstack_datasets.reading.values import EXACT

_MOST_DIGITS: Final = 640
"""Digits of a number that Python reads whatever its limit is set to."""


def value_of(text: bytes, pairs: Callable[[list[tuple[str, Any]]], object] | None = None) -> object:
    """Parse a JSON text, with texts that can be stored as UTF-8; numbers that are too long for Python stay texts.

    Args:
        text: The JSON.
        pairs: Makes an object of its entries, as ``json`` has it; by default a dictionary of the last of each name.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (
        ValueError
    ):  # Python refuses numbers of more than 4,300 digits; only then is each looked at, which takes longer
        value = json.loads(text, object_pairs_hook=pairs, parse_int=_whole_number)
    return storable(value) if rb"\ud" in text.lower() else value


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) < _MOST_DIGITS else digits


def storable(value: Any) -> Any:
    """Replace lone surrogates, which JSON can escape and UTF-8 cannot encode."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()  # spelt out, so that two ids stay two
    if type(value) is list:
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


def stands_for_many(value: object) -> bool:
    """Return True for a float so large that neighbouring integers are the same float.

    >>> stands_for_many(9007199254740993.0), stands_for_many(9007199254740993), stands_for_many(5.0)
    (True, False, False)
    """
    return isinstance(value, float) and abs(value) >= EXACT


def texts_of(
    values: Iterable[tuple[int, object]], place: str, columns: Sequence[Column], bad: BadRows, *, each: str = "line"
) -> tuple[pl.DataFrame, list[int]]:
    """Return the fields of JSON values as text, and the number of each object.

    Args:
        values: The values with their numbers.
        place: The file, for errors.
        columns: The fields.
        bad: Collects values that are no objects, or with an invalid id or a nested value.
        each: Word for the container of a value, for errors.
    """
    rows, numbers = [], []
    for number, value in values:
        if not isinstance(value, dict):
            bad.meet(no_object(place, number, value, each))
            continue
        odd = next((column for column in columns if _is_odd(value.get(column.name), column)), None)
        if odd is not None:
            bad.meet(RowError(place, number, _problem(value[odd.name], odd)))
            continue
        rows.append([_plain(value.get(column.name)) for column in columns])
        numbers.append(number)
    return pl.DataFrame(rows, schema={column.role: pl.String for column in columns}, orient="row"), numbers


def _is_odd(value: object, column: Column) -> bool:
    """Return True if a value is nested and no list of categories, or if it is no id and should be one."""
    if column.role == CATEGORY and isinstance(value, list):
        return any(isinstance(one, list | dict) for one in value)
    no_id = isinstance(value, bool) or stands_for_many(value)
    return isinstance(value, list | dict) or (column.kind == "id" and no_id)


def _problem(value: object, column: Column) -> str:
    if stands_for_many(value):
        return f"{column.name} is a float of {EXACT:,} or more, where different ids are one number; write whole numbers or text"
    should_be = "a name" if column.kind == "id" else "a text or a number"
    return f"{column.name} is a JSON {type(value).__name__}; it should be {should_be}"


def _plain(value: object) -> str | None:
    """Convert a JSON value to text as polars does: whole numbers without a fraction; values of a list are joined by ``|``.

    >>> _plain(12.0), _plain("a"), _plain(["a", None, 1])
    ('12', 'a', 'a|1')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "|".join(text for text in map(_plain, value) if text is not None)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else json.dumps(value)


def check_named(texts: pl.DataFrame, place: str, columns: Sequence[Column], *, each: str = "line") -> None:
    """Raise if a field occurs in none of the objects.

    Raises:
        DataError: A field that is not optional occurs in none of them.
    """
    for column in columns:
        if not column.optional and len(texts) and texts[column.role].null_count() == len(texts):
            raise DataError(f"{place} has no field {column.name!r} for {column.role} in any {each}")


def no_object(place: str, number: int, value: object, each: str = "line") -> RowError:
    """Return the error about a value that is no object; an exception stands for a line that could not be parsed."""
    if isinstance(value, Exception):
        return RowError(place, number, "the line is not JSON; each line should be one object")
    return RowError(place, number, f"the {each} is a JSON {type(value).__name__}; each {each} should be one object")
