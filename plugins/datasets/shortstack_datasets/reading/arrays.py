"""Tables in JSON: one object per line, or one array of objects."""

import json
from collections.abc import Sequence
from typing import Final

import polars as pl

from shortstack.errors import DataError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.json_lines import read_json_lines
from shortstack_datasets.reading.json_values import check_named, texts_of, value_of
from shortstack_datasets.reading.lines import SIZE
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.texts import pieces
from shortstack_datasets.reading.values import typed

_BOM: Final = b"\xef\xbb\xbf"
_LOOK: Final = 1 << 12


def read_json(stream: Stream, columns: Sequence[Column], bad: BadRows) -> pl.DataFrame:
    """Read fields of JSON objects, typed, under the names of their roles; errors number an array's entries from 1.

    Raises:
        DataError: The file is empty or no JSON, or a field occurs in no object.
        RowError: A line or an entry is no object, or a value does not suit its column; unless bad rows are skipped.
    """
    if not stream.peek(_LOOK).removeprefix(_BOM).lstrip().startswith(b"["):
        return read_json_lines(stream, columns, bad)
    numbered = enumerate(entries(stream), start=1)
    texts, numbers = texts_of(numbered, stream.place, columns, bad, each="entry")
    check_named(texts, stream.place, columns, each="entry")
    return typed(texts, columns, place=stream.place, line=lambda row: numbers[row], bad=bad)


def entries(stream: Stream) -> list[object]:
    """Return all entries of an array, which is read as a whole."""
    try:
        value = value_of(b"".join(pieces(stream, SIZE)))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{stream.place} begins like a JSON array, but is none (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from None  # the error holds the text, and with it user ids, which must not be printed
    except (UnicodeDecodeError, RecursionError):
        raise DataError(
            f"{stream.place} begins like a JSON array, but is none: it is no UTF-8 or nested too deep"
        ) from None
    return value if isinstance(value, list) else []
