"""Check of ``strptime`` formats: only those that Python and polars interpret alike are allowed. Needs no polars."""

import re
from datetime import date, datetime
from typing import Final

_PARTS: Final = "YymdjbBaAHIMSfpz%"
_EXAMPLE: Final = datetime(2001, 2, 3, 14, 5, 6)  # noqa: DTZ001 -- a form that says no zone is read without one
_CLOCK: Final = frozenset("HIMSfp")


def problem_of(form: str) -> str | None:
    """Return the problem of a time format; None if it can be used.

    >>> problem_of("%m/%d/%Y"), problem_of("%m/%d")
    (None, 'it should say year, month and day')
    """
    parts = re.findall("%(.?)", form.replace("\n", " "))
    unknown = next((part for part in parts if not part or part not in _PARTS), None)
    if unknown is not None:
        return f"%{unknown} is none of {', '.join(f'%{part}' for part in _PARTS)}"
    if "f" in parts and ".%f" not in form:
        return "%f should stand behind a dot, as in %S.%f"
    hours = "H" in parts or {"I", "p"} <= {*parts}
    if _CLOCK & {*parts} and not (hours and "M" in parts):
        return "it should say hours (%H, or %I and %p) and minutes (%M), or no time of day"
    return None if _day(form) == _EXAMPLE.date() else "it should say year, month and day"


def _day(form: str) -> date | None:
    """Return the day of an example after formatting and parsing; None if that fails."""
    local = re.sub("%(z|.)", lambda part: "" if part[1] == "z" else part[0], form)
    try:
        return datetime.strptime(_EXAMPLE.strftime(local), local).date()  # noqa: DTZ007
    except (ValueError, re.error):  # strptime raises re.error for a directive that occurs twice
        return None
