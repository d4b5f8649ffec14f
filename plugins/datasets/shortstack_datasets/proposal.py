"""Settings that are proposed for a table: which of its columns is what, by their names and first values."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from shortstack.contracts import usual_columns
from shortstack_datasets.reading.parts import Wanted, the_table
from shortstack_datasets.reading.previews import preview

_FORMS: Final = (
    "%Y%m%d",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
)
"""Forms of times as text that programs write, besides ISO 8601."""
_UNITS: Final = {"s": 1e11, "ms": 1e14, "us": 1e17}
"""Unit of times since 1970 → a bound above all of them: the year 5138."""


def proposed(source: str | Path) -> dict[str, Any]:
    """Return settings of the adapter ``table`` that read a source, as far as its first rows say.

    Raises:
        SourceNotFoundError: ``source`` does not exist.
        DataError: It holds no table, or a damaged one.
    """
    seen = preview(the_table(Path(source), Wanted()))
    roles = usual_columns(seen.columns)
    times = _time_settings(seen.columns[roles["timestamp"]]) if "timestamp" in roles else {}
    return {**seen.settings, **roles, **times}


def _time_settings(values: Sequence[object]) -> Mapping[str, str]:
    """Return the unit or form of a column of times; neither where it has types of its own, or is not recognised."""
    some = [value for value in values if value is not None and value != ""]
    if not some or isinstance(some[0], date):
        return {}
    texts = [str(value).strip() for value in some]
    form = next((form for form in _FORMS if all(_is_of(form, text) for text in texts)), None)
    if form is not None:
        return {"timestamp_format": form}
    if all(map(_is_number, texts)):
        largest = max(abs(float(text)) for text in texts)
        return {"timestamp_unit": next((unit for unit, bound in _UNITS.items() if largest < bound), "s")}
    return {"timestamp_unit": "iso"} if all(map(_is_iso, texts)) else {}


def _is_of(form: str, text: str) -> bool:
    """Return True if a text has a form, of a year with four digits."""
    try:
        return datetime.strptime(text, form).year >= 1000  # noqa: DTZ007 -- only the form matters
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
