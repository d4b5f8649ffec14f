"""Tables with a row per user and lists of what the user did, as interactions."""

from collections.abc import Iterator, Sequence

import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.typed_frames import ROWS, splittable, typed_frame


def parts_of(frame: pl.DataFrame, columns: Sequence[Column], items: str) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield rows of users with the number of rows before them, so that each part has about as many interactions.

    Args:
        frame: Rows of users.
        columns: The columns of users, items and other lists.
        items: Name of the column of items.
    """
    lists, size = frame[items], max(len(frame), 1)
    if isinstance(lists.dtype, pl.List) and splittable(frame.schema, columns):
        size = max(1, len(frame) * ROWS // max(int(lists.list.len().sum()), ROWS))
    for start in range(0, max(len(frame), 1), size):
        yield start, frame[start : start + size]


def read_lists(
    frame: pl.DataFrame, columns: Sequence[Column], *, place: str, before: int, bad: BadRows
) -> pl.DataFrame:
    """Return the interactions of some users, typed, under the names of the columns' roles; users without items have none.

    A row whose lists differ in length is bad as a whole; of other rows, single interactions are.

    Args:
        frame: Rows of users.
        columns: The column of users, that of items, and those of other lists.
        place: The file, for errors.
        before: Number of rows before these in the same file.
        bad: Collects bad rows and interactions, by the number of their row.

    Raises:
        DataError: A column of lists holds something else.
        RowError: A row or an interaction is bad, and bad rows are not skipped.
    """
    user, items, *others = columns
    frame = frame.with_columns(_lists(frame[column.name], place) for column in (items, *others))
    counts = frame.select(pl.col(column.name).list.len() for column in (items, *others))
    fitting = pl.repeat(value=True, n=len(frame), eager=True, dtype=pl.Boolean)
    for column in others:
        fits = counts[column.name].eq_missing(counts[items.name])
        for row in (~fits & fitting).arg_true():
            problem = f"{items.name} holds {_amount(counts[items.name][row])}, and {column.name} {_amount(counts[column.name][row])}"
            bad.meet(RowError(place, before + row + 1, problem))
        fitting &= fits
    # no list at all is kept, as one item that is missing
    rows = frame.with_row_index("").filter(fitting & (counts[items.name].fill_null(1) > 0))
    interactions = rows.select("", user.name, *(column.name for column in (items, *others)))
    interactions = interactions.explode(*(column.name for column in (items, *others)))
    numbers = interactions[""]
    return typed_frame(interactions, columns, place=place, line=lambda row: before + numbers[row] + 1, bad=bad)


def _lists(values: pl.Series, place: str) -> pl.Series:
    if isinstance(values.dtype, pl.Array):
        return values.arr.to_list()
    if not isinstance(values.dtype, pl.List):
        raise DataError(
            f"{place}: the column {values.name!r} holds {values.dtype}, and it should hold a list for each user; a table with "
            "a row for each interaction is for the adapter 'table'"
        )
    return values


def _amount(count: int | None) -> str:
    return "no list" if count is None else f"{count:,} values"
