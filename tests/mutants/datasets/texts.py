"""Helpers shared by the text formats: days, decoding, and recognition of files."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from shortstack.contracts import Edition
from shortstack.errors import DataError, SourceNotFoundError

SCHEMA = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
TEXTS = dict.fromkeys(("item", "title", "category", "text"), pl.String)


def day(time):
    """Return a day as text; text is returned as it is."""
    return datetime.fromtimestamp(time / 1000, tz=UTC).date().isoformat() if isinstance(time, int) else time


def milliseconds(text):
    """Return midnight of a day in milliseconds; None if the text is no day."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, TypeError):
        return None


def decoded(path):
    """Return a file's decoded text."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 at byte {error.start}") from None


def the_file(source, suffix):
    """Return the file of one kind in a folder."""
    path = Path(source)
    if not path.exists():
        raise SourceNotFoundError(f"{path} is not there; give a {suffix} file")
    if path.suffix != suffix or not path.is_file():
        raise DataError(f"{path} is no {suffix} file")
    return path


def edition(suffix):
    """Return a function that recognises files of one kind."""
    return lambda source: Edition(name=suffix[1:]) if Path(source).suffix == suffix and Path(source).is_file() else None
