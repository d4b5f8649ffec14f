"""What a column is: its name in the file, its role in the records, and what its values must be. Needs no polars."""

from typing import Literal

import attrs

Kind = Literal["id", "whole", "number", "label", "s", "ms", "us", "iso", "clock", "form", "candidates"]
Value = bool | int | float | str


@attrs.frozen(kw_only=True)
class Column:
    """One column to read.

    Attributes:
        name: What the file calls it, and therefore the errors.
        role: What the records call it.
        kind: ``id``: text, never empty; ``whole``: the same, digits only; ``number``: finite; ``label``: text or null;
            ``candidates``: ``name-0`` or ``name-1``, several with blanks between them; or a time: in a unit since 1970,
            as ``iso`` text, on the ``clock``, such as ``11/9/2019 9:05:58 AM``, or text in a ``form``. Times become
            milliseconds.
        private: Its values must not appear in errors.
        optional: The file may lack it, and a row may leave it empty.
        parts: The columns of the file that together make it, joined by ``-``; then ``name`` is for errors alone.
        within: The least and the greatest number that there is; None for any.
        since_1900: Times may lie before 1970; otherwise that is a wrong unit.
        form: Of times as text, as ``strptime`` has it.
        only: Rows with another value are left out before anything else of them is looked at; such a column is not kept.
    """

    name: str
    role: str
    kind: Kind
    private: bool = False
    optional: bool = False
    parts: tuple[str, ...] = ()
    within: tuple[float, float] | None = None
    since_1900: bool = False
    form: str = ""
    only: tuple[Value, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the file that it is made of."""
        return self.parts or (self.name,)


def user(name: str, kind: Kind = "id") -> Column:
    """The column of users, whose values are nobody's business."""
    return Column(name=name, role="user", kind=kind, private=True)


def label(name: str, role: str) -> Column:
    """A column of text that may be empty or missing."""
    return Column(name=name, role=role, kind="label", optional=True)
