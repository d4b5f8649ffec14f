"""Headers: the columns that a text's first line names, and the recognition of unexpected headers."""

import re
from collections.abc import Sequence
from typing import Final

import attrs

from shortstack.errors import DataError
from shortstack_datasets.reading.columns import Column
from shortstack_datasets.reading.forms import Form
from shortstack_datasets.reading.lines import Block
from shortstack_datasets.reading.rows import split_rows

_WORDS: Final = ("user", "item", "rating", "star", "time", "date", "title", "name", "product", "movie", "id")
"""Words of which a header has one in at least two of its names."""

SEPARATORS: Final = (";", ",", "\t", "|")
"""Separators that programs write; spreadsheets write semicolons where commas are in numbers."""

_NUMBERS: Final = frozenset({"whole", "number", "s", "ms", "us", "iso", "clock"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_ .-]+")
"""A word that is no number; ``nan`` and ``inf`` match as well, but two of them in a row are no single mistake."""

_HEADING: Final = re.compile(
    "(user|reviewer|visitor|customer|session|item|product|movie|book|song|(musicbrainz)?(track|artist)|business|news"
    "|impression)(id|name|(mbox)?sha1)?s?"
    "|uid|iid|mbid|sha1|(parent)?asin|isbn|ratings?|overall|score|stars|weight|plays|(unixreview)?time|timestamp|date"
    "|datetime|title|genres?|category|categories|impressions|history"
)
"""Common column names, in letters and digits alone; a header has at least two of them."""


def fields_of(line: str, form: Form) -> list[str]:
    """Split a single line into its fields; empty if it cannot be split.

    >>> fields_of('1,"a, b"', Form(separator=",", quoted=True))
    ['1', 'a, b']
    """
    (_, row), *_ = split_rows([f"{line}\n"], form)
    return [] if isinstance(row, str) else row


def is_unexpected_header(block: Block, form: Form, columns: Sequence[Column]) -> bool:
    """Return True if a text of a format without a header begins with one.

    It does if two or more columns of numbers and times hold words instead, which no single mistake causes; or if two of
    its fields are names of columns, this format's or common ones, and the others hold no digit.
    """
    line = form.first_line(block.data)
    values = fields_of(line, form)
    fields = dict(zip(form.names, values, strict=False))
    numbers = [fields.get(name, "") for column in columns if column.kind in _NUMBERS for name in column.names]
    if len(numbers) >= 2 and all(_NAME.fullmatch(field.strip()) for field in numbers):
        return True
    return sum(name == field for name, field in fields.items()) >= 2 or are_headings(values)


def are_headings(fields: Sequence[str]) -> bool:
    """Return True if two of some fields are common names of columns, and the others hold no digit.

    >>> are_headings(["user_id", "item_id"]), are_headings(["user", "item_ids"]), are_headings(["user_1", "item_1"])
    (True, True, False)
    """
    names = ["".join(filter(str.isalnum, field)).lower() for field in fields]
    others = [name for name in names if not _HEADING.fullmatch(name)]
    return len(names) - len(others) >= 2 and not any(map(str.isdigit, "".join(others)))


def check_named(block: Block, place: str, names: tuple[str, ...], form: Form, columns: Sequence[Column]) -> None:
    """Raise if a column is missing or occurs twice.

    Raises:
        DataError: A column is missing or occurs twice.
    """
    wanted = [(name, column) for column in columns for name in column.names]
    for name, column in wanted:
        if names.count(name) > 1:
            raise DataError(f"{place} has {names.count(name)} columns called {name!r}, for {column.role}; rename one")
    missing = [(name, column) for name, column in wanted if name not in names and not column.optional]
    if not missing:
        return
    shown = not form.header or _is_header(block, names, form, some_known=any(name in names for name, _ in wanted))
    name, column = missing[0]
    offer = f"it has: {', '.join(names)}" if shown else "is its first line a header?"
    offer = _other_separator(block, form, name) or offer
    raise DataError(f"{place} has no column {name!r} for {column.role}; {offer}")


def _other_separator(block: Block, form: Form, name: str) -> str:
    """Return the advice to set another separator, where the header then has the column; empty where none does or can be set."""
    for separator in SEPARATORS if form.header and form.separator_setting else ():
        if name in fields_of(form.first_line(block.data), attrs.evolve(form, separator=separator)):
            return f"its fields are separated by {separator!r}: set {form.separator_setting} = {separator!r}"
    return ""


def _is_header(block: Block, names: tuple[str, ...], form: Form, *, some_known: bool) -> bool:
    """Return True if the first line may be shown in an error: data, or a header joined with data, may hold a user id.

    Data have digits and none of the expected names or words of headers; a joined line has more fields than the next one.
    """
    following = block.data.partition(b"\n")[2].partition(b"\n")[0].decode("utf-8", "replace")
    digits = any(character.isdigit() for character in "".join(names))
    whole = len(fields_of(following, form)) == len(names) if following else not digits
    named = sum(any(word in name.lower() for word in _WORDS) for name in names) >= 2
    return bool(names) and whole and (some_known or (named and not digits))
