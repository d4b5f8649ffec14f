"""Files of users and their histories, read row by row: Parquet, CSV and JSON lines."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from shortstack.boundaries import RepeatedKeyError, read_as, without_repeats
from shortstack.contracts.first_bytes import require_kind_of_file
from shortstack.contracts.separator_line import LONGEST, separator_line
from shortstack.data.user_histories import (
    EXCLUDE_SEEN,
    ITEMS,
    USER,
    UserHistory,
    columns_read,
    histories_of,
    row_of,
)
from shortstack.errors import RowError, SourceNotFoundError, UnknownNameError
from shortstack.files import refuse_lfs_pointer

if TYPE_CHECKING:
    from _csv import Reader

    import polars as pl

_ROWS: Final = 1_024
"""Rows of Parquet in memory at a time."""
_LONGEST: Final = 16_000_000
"""Bytes of a line, so that a file without line ends cannot fill the memory."""


def read_users(path: Path) -> Iterator[UserHistory]:
    """Yield the users of a file, in its order; memory does not grow with the file.

    Raises:
        SourceNotFoundError: There is no such file.
        UnknownNameError: Its name ends in none of the known ways.
        DataError: It is damaged, or lacks a column.
        RowError: A row is wrong; the message says which.
    """
    require_readable(path)
    with read_as(path, "cannot be read as its name says"):
        yield from _READERS[path.suffix.lower()](path)


def require_readable(path: Path) -> None:
    """Raise if a path is no file of a known kind.

    Raises:
        SourceNotFoundError: There is no such file.
        UnknownNameError: Its name ends in none of the known ways.
        DataError: It is of another kind than its name says.
    """
    if path.suffix.lower() not in _READERS:
        raise UnknownNameError(f"ending of the file of users {path}:", path.suffix, _READERS)
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is not there, or is no file; name a file of users")
    refuse_lfs_pointer(path)
    require_kind_of_file(path, "a Parquet file" if path.suffix.lower() in _PARQUET else "a text")


def user_type(path: Path) -> "pl.DataType":
    """Return the type of the users in the output: whole numbers where a Parquet file has them, else texts.

    Raises:
        DataError: The file is damaged, or lacks a column.
    """
    import polars as pl

    if path.suffix.lower() not in _PARQUET:
        return pl.String()
    with read_as(path, "is no Parquet file"):
        schema = pl.read_parquet_schema(path)
        columns_read(list(schema), path)
        kind = schema[USER]
        return kind if kind.is_integer() else pl.String()


def _parquet(path: Path) -> Iterator[UserHistory]:
    import polars as pl
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        columns = columns_read(file.schema_arrow.names, path)
        before = 0
        for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
            yield from histories_of(pl.DataFrame(pl.from_arrow(batch)), str(path), before=before)
            before += batch.num_rows


def _csv(path: Path) -> Iterator[UserHistory]:
    with path.open("rb") as file:
        separator, length = separator_line(file.read(LONGEST)) or (",", 0)
        file.seek(length)
        before = int(length > 0)  # lines that are no rows
        rows = csv.reader((line for _, line in _lines(path, file, before)), delimiter=separator, strict=True)
        names = _next_row(path, rows, before) or []
        places = [names.index(name) for name in columns_read(names, path)]
        while (row := _next_row(path, rows, before)) is not None:
            if not row:  # an empty line
                continue
            number = before + rows.line_num
            if len(row) != len(names):
                raise RowError(path, number, f"there are {len(row)} fields, but {len(names)} columns")
            yield row_of(path, number, *(row[place] for place in places))


def _next_row(path: Path, rows: "Reader", before: int) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        raise RowError(
            path, before + rows.line_num, f"{error}; give JSON lines or Parquet if this is what it holds"
        ) from error


def _json_lines(path: Path) -> Iterator[UserHistory]:
    with path.open("rb") as file:
        for number, line in _lines(path, file):
            if line.strip():
                yield _json_row(path, number, line)


def _json_row(path: Path, number: int, line: str) -> UserHistory:
    try:
        row = json.loads(line, object_pairs_hook=without_repeats)
    except RepeatedKeyError as error:
        raise RowError(path, number, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise RowError(path, number, f"it is no JSON ({error})") from error
    if not isinstance(row, dict):
        raise RowError(path, number, f"it must be an object with {USER!r} and {ITEMS!r}, got {type(row).__name__}")
    columns_read(list(row), f"{path}:{number}:")
    user = row[USER]
    return row_of(path, number, str(user) if type(user) is int else user, row[ITEMS], row.get(EXCLUDE_SEEN))


def _lines(path: Path, file: IO[bytes], number: int = 0) -> Iterator[tuple[int, str]]:
    """Yield the lines that are left of a file, with their numbers, which go on after ``number``."""
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            raise RowError(path, number, f"a line may have {_LONGEST:,} bytes")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RowError(path, number, f"it is not UTF-8 text ({error})") from error


_PARQUET: Final = (".parquet", ".pq")
_READERS: Final[Mapping[str, Callable[[Path], Iterator[UserHistory]]]] = {
    **dict.fromkeys(_PARQUET, _parquet),
    ".csv": _csv,
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
}
