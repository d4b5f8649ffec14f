"""Columns: name in the file, role in the records, and allowed values. Needs no polars."""

from collections.abc import Sequence
from typing import Final, Literal

import attrs

from shortstack.errors import ConfigurationError

ColumnKind = Literal["id", "whole", "number", "label", "s", "ms", "us", "iso", "clock", "form", "candidates"]
Value = bool | int | float | str
CATEGORY: Final = "category"
"""The role whose values may be lists, of several categories."""


@attrs.frozen(kw_only=True)
class Column:
    """One column to read.

    Attributes:
        name: Its name in the file, and in errors.
        role: Its name in the records.
        kind: ``id``: text, never empty; ``whole``: the same, digits only; ``number``: finite; ``label``: text or null;
            ``candidates``: ``name-0`` or ``name-1``, several separated by blanks; or a time: in a unit since 1970, as
            ``iso`` text, as a 12-hour ``clock``, such as ``11/9/2019 9:05:58 AM``, or text in a ``form``. Times become
            milliseconds.
        private: Whether its values must not appear in errors.
        optional: Whether the file may lack it, and a row may leave it empty.
        parts: The columns of the file that it consists of, joined by ``-``; then ``name`` is for errors alone.
        within: The least and the greatest allowed number; None for any.
        since_1900: Whether times may be before 1970; otherwise such times indicate a wrong unit.
        form: ``strptime`` format of times as text.
        only: Rows with other values are left out before anything else in them is checked; the column itself is dropped.
    """

    name: str
    role: str
    kind: ColumnKind
    private: bool = False
    optional: bool = False
    parts: tuple[str, ...] = ()
    within: tuple[float, float] | None = None
    since_1900: bool = False
    form: str = ""
    only: tuple[Value, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the file that it consists of."""
        return self.parts or (self.name,)


def user(name: str, kind: ColumnKind = "id") -> Column:
    """Return a column of users, whose values are private."""
    return Column(name=name, role="user", kind=kind, private=True)


def label(name: str, role: str) -> Column:
    """Return a column of text that may be empty or missing."""
    return Column(name=name, role=role, kind="label", optional=True)


def require_different(settings: object, roles: Sequence[str]) -> None:
    """Raise if settings name one column for two of these roles.

    Raises:
        ConfigurationError: They do.
    """
    taken: dict[str, str] = {}
    for role in roles:
        name = getattr(settings, role)
        if name is not None and (other := taken.setdefault(name, role)) != role:
            raise ConfigurationError(
                f"{other} and {role} both name the column {name!r}, which can be only one of them; name another for one"
            )
