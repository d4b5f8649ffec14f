"""Which forms of time can be read: those that Python's ``strptime`` and polars understand alike. Needs no polars."""

import re
from datetime import date, datetime
from typing import Final

_PARTS: Final = "YymdjbBaAHIMSfpz%"
_EXAMPLE: Final = datetime(2001, 2, 3, 14, 5, 6)  # noqa: DTZ001 -- a form that says no zone is read without one
_CLOCK: Final = frozenset("HIMSfp")


def problem_of(form: str) -> str | None:
    """What is wrong with a form of time; None if it can be used.

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
    """The day of an example, written and read again."""
    local = re.sub("%(z|.)", lambda part: "" if part[1] == "z" else part[0], form)
    try:
        return datetime.strptime(_EXAMPLE.strftime(local), local).date()  # noqa: DTZ007
    except (ValueError, re.error):  # a part that is there twice is an error of re
        return None
