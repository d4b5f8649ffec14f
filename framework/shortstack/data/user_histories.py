"""Users with their histories, as a table or a file names them."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import attrs

from shortstack.errors import DataError, RowError

if TYPE_CHECKING:
    import polars as pl

USER: Final = "user"
ITEMS: Final = "items"
EXCLUDE_SEEN: Final = "exclude_seen"
"""Columns; the last one may be missing."""


@attrs.frozen(kw_only=True)
class UserHistory:
    """User's history, as it is named in a table.

    Attributes:
        row: Number of the row, or of the line of a file, from 1.
        user: The user, for the output.
        items: Titles or ids, oldest first; may be empty.
        exclude_seen: True to leave items of the history out of the answer; None as for all users.
    """

    row: int
    user: str | int
    items: tuple[str, ...]
    exclude_seen: bool | None = None


def user_history(row: int, user: object, items: object, exclude_seen: object = None) -> UserHistory:
    """Check the values of a row.

    Args:
        row: The row's number.
        user: A text or a whole number.
        items: A list of texts or whole numbers, or a text that is such a list in JSON, or ids between spaces.
        exclude_seen: A boolean, ``true`` or ``false`` as a text, or nothing.

    Raises:
        ValueError: A value is something else; the message has no place.

    >>> user_history(1, "ann", "i1 i2").items, user_history(1, "ann", '["Heat (1995)"]').items
    (('i1', 'i2'), ('Heat (1995)',))
    """
    if not _is_name(user):
        raise ValueError(f"{USER} must be a text or a whole number, got {user!r}")
    if isinstance(user, str) and any("\ud800" <= letter <= "\udfff" for letter in user):
        raise ValueError(
            f"{USER} must be text that UTF-8 can hold, but half of a surrogate pair is in it; write both halves"
        )
    return UserHistory(
        row=row,
        user=user,  # type: ignore[arg-type]  # just checked
        items=_items(items),
        exclude_seen=_flag(exclude_seen),
    )


def histories_of(frame: "pl.DataFrame", place: str = "table", *, before: int = 0) -> Iterator[UserHistory]:
    """Yield the users of a frame.

    Args:
        frame: The frame.
        place: Its name, for messages.
        before: Number of rows before it in the same source.

    Raises:
        DataError: A column is missing.
        RowError: A value is wrong.
    """
    columns = [frame[name].to_list() for name in columns_read(frame.columns, place)]
    for row, values in enumerate(zip(*columns, strict=True), start=before + 1):
        yield row_of(place, row, *values)


def row_of(place: object, row: int, *values: object) -> UserHistory:
    """Check the values of a row; see ``user_history``.

    Raises:
        RowError: A value is wrong.
    """
    try:
        return user_history(row, *values)
    except (ValueError, RecursionError) as error:  # of ours, and of JSON
        raise RowError(place, row, str(error)) from error


def columns_read(names: "list[str]", place: object) -> list[str]:
    """Return the columns that are read, in the order of ``user_history``.

    Raises:
        DataError: One is missing, or there twice.
    """
    missing = [name for name in (USER, ITEMS) if name not in names]
    if missing:
        raise DataError(
            f"{place} has no column {missing[0]!r} (its columns: {', '.join(names) or 'none'}); it needs {USER!r} and {ITEMS!r}"
        )
    twice = [name for name in (USER, ITEMS, EXCLUDE_SEEN) if names.count(name) > 1]
    if twice:
        raise DataError(
            f"{place} has {names.count(twice[0])} columns {twice[0]!r}; leave the right one, and rename the others"
        )
    return [USER, ITEMS, *([EXCLUDE_SEEN] if EXCLUDE_SEEN in names else [])]


def _items(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[") else value.split()
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{ITEMS} must be a list of titles or ids, got {value!r}")  # noqa: TRY004 -- of a row, not of a call
    wrong = next((item for item in value if not _is_name(item)), None)
    if wrong is not None or None in value:
        raise ValueError(f"{ITEMS} must hold titles or ids, texts or whole numbers, got {wrong!r}")
    return tuple(map(str, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _flag(value: object) -> bool | None:
    flags = {"": None, "true": True, "false": False}
    if isinstance(value, str) and value.lower() in flags:
        return flags[value.lower()]
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"{EXCLUDE_SEEN} must be true or false, got {value!r}")
