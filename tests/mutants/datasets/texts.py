"""What the text formats in here have in common: days, bytes, and how files are told."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from shortstack.contracts import Edition
from shortstack.errors import DataError, SourceNotFoundError

SCHEMA = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
TEXTS = dict.fromkeys(("item", "title", "category", "text"), pl.String)


def day(time):
    """A day as text; what is text stays so."""
    return datetime.fromtimestamp(time / 1000, tz=UTC).date().isoformat() if isinstance(time, int) else time


def milliseconds(text):
    """Midnight of a day; None if it is no day."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, TypeError):
        return None


def decoded(path):
    """A file's text."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 at byte {error.start}") from None


def the_file(source, suffix):
    """A file of a kind."""
    path = Path(source)
    if not path.exists():
        raise SourceNotFoundError(f"{path} is not there; give a {suffix} file")
    if path.suffix != suffix or not path.is_file():
        raise DataError(f"{path} is no {suffix} file")
    return path


def edition(suffix):
    """What recognises files of a kind."""
    return lambda source: Edition(name=suffix[1:]) if Path(source).suffix == suffix and Path(source).is_file() else None
