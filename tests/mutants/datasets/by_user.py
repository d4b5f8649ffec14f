"""A correct adapter as a closure: a JSON object for each user, so that the rows are grouped; no titles."""

import json
from types import SimpleNamespace

import polars as pl

from mutants.datasets.texts import SCHEMA, day, decoded, edition, milliseconds, the_file
from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.errors import RowError


def by_user(_settings):
    """Build an adapter without a class."""

    def rows(path):
        for number, line in enumerate(decoded(path).removesuffix("\n").split("\n"), start=1):
            try:
                user, history = (value := json.loads(line))["user"], list(value["history"])
            except (ValueError, KeyError, TypeError, RecursionError):
                raise RowError(path, number, "the line is not an object of a user and a history") from None
            for event in history:
                yield event_of(path, number, user, event)

    def read(source):
        path = the_file(source, ".users")
        frame = pl.DataFrame(list(rows(path)), schema=SCHEMA, orient="row")
        items = frame.select(pl.col("item").unique())
        unknown = [pl.lit(None, pl.String).alias(name) for name in ("title", "category", "text")]
        return Records(
            interactions=frame.lazy(), items=items.lazy().with_columns(unknown), edition=Edition(name="users")
        )

    return SimpleNamespace(detect=edition(".users"), read=read)


def event_of(path, number, user, event):
    """Return one row of a history."""
    if not isinstance(event, list) or len(event) != 3:
        raise RowError(path, number, "an event is not an item, a rating and a day")
    item, rating, when = event
    if not (isinstance(user, str) and user and isinstance(item, str) and item):
        raise RowError(path, number, "a user or an item is not a text")
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not 0 <= rating <= 5:
        raise RowError(path, number, f"rating {rating!r} is not a number from 0 to 5")
    time = milliseconds(when)
    if time is None:
        raise RowError(path, number, f"day {when!r} is not a date")
    return user, item, float(rating), time


def write_users(_settings, sample, folder):
    """Write one line per user."""
    histories = {}
    for row in sample.rows:
        histories.setdefault(row.user, []).append([row.item, row.rating, day(row.timestamp)])
    lines = [json.dumps({"user": u, "history": h}, ensure_ascii=False) for u, h in histories.items()]
    path = folder / "histories.users"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


BY_USER = DatasetDescriptor(
    name="by-user",
    summary="A JSON object a user.",
    build=by_user,
    traits=DatasetTraits(text_ids=True),
    write=write_users,
)
