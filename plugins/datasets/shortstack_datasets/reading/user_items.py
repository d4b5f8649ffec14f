"""Reading of lines of a user and items, and of JSON objects keyed by users or items."""

import io
import json
import re
from typing import Any, Final, Literal

import polars as pl

from shortstack.errors import DataError, RowError
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.headers import are_headings
from shortstack_datasets.reading.json_values import stands_for_many, storable, value_of
from shortstack_datasets.reading.lines import blocks
from shortstack_datasets.reading.streams import Stream
from shortstack_datasets.reading.texts import pieces

_MIXED: Final = r"\t.*\t.*[^ \t\r] +[^ \t\r]|[^ \t\r] +[^ \t\r].*\t"
"""Tabs and blanks in one line, other than one tab between user and items: probably a row of a table with texts."""

_JOINT: Final = "\x1f"
"""A character that no id holds."""
_FEW: Final = 10
"""In fewer histories an item that is not 0 may stand at the end by chance."""
_LISTED: Final = r"[\[\],]"
_PIECE: Final = 4 << 20
_OBJECT: Final = re.compile(r'\s*\{\s*(\}|"(\\.|[^"\\])*"\s*:\s*\[)')


def read_user_lines(
    stream: Stream, layout: Literal["any", "pairs", "histories"], separator: str | None, bad: BadRows
) -> pl.DataFrame:
    """Read ``user`` and ``item``, one row per interaction, in the order of the file.

    In the layout of histories, a line of a user alone is a user without items.

    Args:
        stream: The file.
        layout: ``pairs``, ``histories``, or ``any`` for pairs if a user is on several lines or no line has three fields.
        separator: Separator of ids; None for a blank or a tab.
        bad: Collects bad lines.

    Raises:
        DataError: The file is empty.
        RowError: A line is not UTF-8, is empty, holds an empty id, or does not have two fields where it is a pair; or a
            user has two histories.
    """
    place = stream.place
    text = pl.col("text").str.strip_chars_end("\r" if separator else "\r\t ")
    fields = text.str.split(separator) if separator else text.str.replace_all("\t", " ", literal=True).str.split(" ")
    read = _lines(stream, bad)
    mixed = pl.lit(value=False) if separator else text.str.contains(_MIXED)
    problem = "ids are separated by tabs and by blanks, as if this were a table; if they are not, set separator"
    lines = _without(read, mixed, problem, place, bad).select("line", fields=fields)
    lists = pl.col("fields").list.eval(pl.element().str.contains(_LISTED)).list.any()
    if not separator and 2 * lines.select(lists).sum().item() > len(lines):
        problem = "ids hold ',', '[' or ']', as if they were a list; if they are, set separator, or give a JSON object"
        lines = _without(lines, lists, problem, place, bad)
    lines = _without(lines, pl.col("fields").list.contains(""), "the line or an id in it is empty", place, bad)
    if len(lines) and lines["line"][0] == 1 and are_headings(lines["fields"][0].to_list()):
        bad.remark(f"{place}: the first line is a header, and was left out")
        lines = lines[1:]
    lines = lines.with_columns(user=_users(lines["fields"].list.first()), count=pl.col("fields").list.len())
    several = bool(lines["user"].is_duplicated().any())
    if layout == "pairs" or (layout == "any" and (several or (lines["count"] <= 2).all())):
        why = ", because some user is on several lines" if several and layout == "any" else ""
        way_out = "; if lines hold whole histories, set layout = 'histories'" if layout == "any" and not several else ""
        problem = f"the line should hold two ids, of a user and of an item{why}{way_out}"
        lines = _without(lines, pl.col("count") != 2, problem, place, bad)
    else:
        again = ~pl.col("user").is_first_distinct()
        lines = _without(lines, again, "the user is on an earlier line, and should have one line", place, bad)
    items = lines.select("user", item=pl.col("fields").list.slice(1))
    return items.filter(pl.col("item").list.len() > 0).explode("item")


def without_padding(rows: pl.DataFrame, padding: str | None, place: str) -> pl.DataFrame:
    """Return the interactions without an id that fills lines up.

    Args:
        rows: ``user`` and ``item``, in the order of the file.
        padding: The id; None to find out whether there is one.
        place: The file, for the error.

    Raises:
        DataError: No id is given, and histories end or begin with one item as if it filled them up to one length.
    """
    if padding is not None:
        return rows.filter(pl.col("item") != padding)
    filling = _filling(rows)
    if filling is not None:
        raise DataError(
            f"{place} has histories of one length that begin or end with several items {filling}, as if these filled them up; "
            f'set padding = {json.dumps(filling, ensure_ascii=False)} to leave them out, or padding = "" if {filling} is an item'
        )
    return rows


def _filling(rows: pl.DataFrame) -> str | None:
    """Return the item that seems to fill histories up to one length: 0, or what most begin or end with; None if none does."""
    histories = rows.group_by("user", maintain_order=True).agg("item")["item"]
    if histories.list.len().n_unique() != 1:
        return None
    ends = pl.concat([histories.list.first().value_counts(), histories.list.last().value_counts()])
    usual = ends.filter(pl.col("count") >= _FEW).sort("count", "item", descending=True)["item"].head(2)
    return next((item for item in ("0", *usual) if _fills_up(histories, item)), None)


def _fills_up(histories: pl.Series, item: str) -> bool:
    """Return True if the item stands only in a row of several at an end of some histories."""
    whole, this = histories.list.join(_JOINT), re.escape(item)
    inner = whole.str.replace(f"^({this}{_JOINT})+", "").str.replace(f"({_JOINT}{this})+$", "")
    within = inner.str.contains(f"(^|{_JOINT}){this}({_JOINT}|$)") & (inner != item)
    several = whole.str.len_bytes() - inner.str.len_bytes() > len(f"{item}{_JOINT}".encode())
    return bool(several.any() and not within.any() and not (inner == item).all())


def _users(names: pl.Series) -> pl.Series:
    """Return users without the colon that follows all of them in files with lines such as ``1: 5 7``."""
    return names.str.strip_suffix(":") if len(names) and names.str.ends_with(":").all() else names


def begins_with_histories(text: str, *, is_object: bool, separator: str | None) -> bool:
    """Return True if a file begins like users and items: an object with a list, or lines that are mostly valid.

    Args:
        text: The beginning, as far as its lines are complete.
        is_object: Whether it should be a JSON object.
        separator: Separator of ids on lines; None for a blank or a tab.

    >>> begins_with_histories('{"u1": ["i1"]}', is_object=True, separator=None)
    True
    """
    if is_object:
        return _OBJECT.match(text) is not None
    data, bad = text.encode(), BadRows(skip=True)
    stream = Stream.of(io.BytesIO(data), "", size=len(data), again="")
    try:
        read_user_lines(stream, "any", separator, bad)
    except DataError:  # it is empty
        return False
    return bad.rows <= text.count("\n") / 2


def read_object(stream: Stream, bad: BadRows) -> pl.DataFrame:
    """Read ``user`` and ``item`` of a JSON object ``{user: [items]}``; errors number its entries from 1.

    Raises:
        DataError: It is no such object.
        RowError: A user occurs twice or has an empty id, or the items are no list of ids.
    """
    users: dict[str, list[str]] = {}
    for number, (user, value) in enumerate(_entries(stream, "{user: [items]}"), start=1):
        items = [_name(item_id) for item_id in value] if isinstance(value, list) else [None]
        if user in users:
            bad.meet(RowError(stream.place, number, "the user of this entry has an earlier one"))
        elif not user or not all(items):
            problem = "the entry should be a user with a list of item ids, texts or whole numbers"
            bad.meet(RowError(stream.place, number, problem))
        else:
            users[user] = [str(item) for item in items]
    made = [(user, item) for user, items in users.items() for item in items]
    return pl.DataFrame(made, schema={"user": pl.String, "item": pl.String}, orient="row")


def read_titles(stream: Stream, field: str, bad: BadRows) -> pl.DataFrame:
    """Read ``item`` and ``title`` of a JSON object ``{item: title}`` or ``{item: {field: title}}``; errors number its entries.

    Raises:
        DataError: It is no such object.
        RowError: The title of an entry is no text.
    """
    made: list[tuple[str, str | None]] = []
    for number, (item, value) in enumerate(_entries(stream, "{item: title}"), start=1):
        title = dict(value).get(field) if isinstance(value, _Object) else value
        if item and isinstance(title, str | None):
            made.append((item, title))
        else:
            problem = f"the entry should be an item with its title, or with an object that has the title as {field!r}"
            bad.meet(RowError(stream.place, number, problem))
    return pl.DataFrame(made, schema={"item": pl.String, "title": pl.String}, orient="row")


class _Object(list[tuple[str, Any]]):
    """A JSON object with all its entries: a dictionary would keep only the last of several with one key."""


def _entries(stream: Stream, form: str) -> _Object:
    data = b"".join(pieces(stream, _PIECE))
    try:
        content = value_of(data, _storable_object)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{stream.place} is not JSON{where}; it should be one object, {form}") from error
    if not isinstance(content, _Object):
        raise DataError(f"{stream.place} is no JSON object; it should be {form}")
    return content


def _storable_object(pairs: list[tuple[str, Any]]) -> _Object:
    return _Object((storable(name), storable(value)) for name, value in pairs)


def _name(value: object) -> str | None:
    """Return a text, or a whole number as text; None if it is neither, or a float that stands for several.

    >>> _name(7), _name(7.0), _name(True), _name(9007199254740993.0)
    ('7', '7', None, None)
    """
    if isinstance(value, float) and value.is_integer() and not stands_for_many(value):
        return str(int(value))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _lines(stream: Stream, bad: BadRows) -> pl.DataFrame:
    """Read the lines, as ``line`` (the number) and ``text``."""
    numbers: list[int] = []
    texts: list[str] = []
    for block in blocks(stream):
        for number, line in enumerate(block.data.split(b"\n"), start=block.line):
            try:
                texts.append(line.decode())
            except UnicodeDecodeError as error:
                bad.meet(RowError(stream.place, number, f"byte 0x{line[error.start]:02x} is not UTF-8"))
            else:
                numbers.append(number)
    if not numbers and not bad.rows:
        raise DataError(f"{stream.place} is empty")
    return pl.DataFrame({"line": numbers, "text": texts}, schema={"line": pl.Int64, "text": pl.String})


def _without(lines: pl.DataFrame, wrong: pl.Expr, problem: str, place: str, bad: BadRows) -> pl.DataFrame:
    """Return the lines that are not wrong, and collect the others in ``bad``."""
    numbers = lines.filter(wrong)["line"].to_list()
    for number in numbers:
        bad.meet(RowError(place, number, problem))
    return lines.filter(~wrong) if numbers else lines
