"""Adapters that lose values: half stars, times of day, offsets, what is missing, and what comes late in a file."""

import os
import re
from datetime import UTC, datetime

import polars as pl

from mutants.datasets.mistakes import items_through
from mutants.datasets.plain import RATINGS, interaction, lines
from mutants.datasets.wrong_adapters import wrong
from shortstack.errors import RowError

DAY = 86_400_000
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?")


def whole_stars(path, number, line):
    """Truncate ratings to whole stars."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, float(int(rating)), time


def zero_is_missing(path, number, line):
    """Take a rating of 0 for none, as ``if rating`` does."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, rating or None, time


def unsigned(path, number, line):
    """Drop the sign of a rating."""
    fields = line.split("\t")
    return interaction(
        path, number, "\t".join([*fields[:2], *(text.removeprefix("-") for text in fields[2:3]), *fields[3:]])
    )


def at_most_five(path, number, line):
    """Cut ratings at five stars."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, min(rating, 5.0), time


def never_1970(path, number, line):
    """Take a time of 0 for none."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, rating, time or None


def forty_letters(items):
    """Cut titles to forty letters."""
    return items.with_columns(pl.col("title").str.head(40))


def days(path, number, line):
    """Truncate times to days."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, rating, time // DAY * DAY


def minutes(path, number, line):
    """Convert times through a text without seconds."""
    user, item, rating, time = interaction(path, number, line)
    text = datetime.fromtimestamp(time / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")
    return user, item, rating, int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()) * 1000


def in_texts(moment):
    """Parse a row whose time may also be ISO 8601 text, which ``moment`` converts to a time with an offset."""

    def read(path, number, line):
        fields = line.split("\t")
        if len(fields) != 4 or not ISO.fullmatch(fields[3]):
            return interaction(path, number, line)
        time = int(moment(datetime.fromisoformat(fields[3])).timestamp()) * 1000
        return interaction(path, number, "\t".join([*fields[:3], str(time)]))

    return read


def none_as(value):
    """Parse a row whose missing rating becomes ``value``; the row is dropped if ``value`` is None."""

    def read(path, number, line):
        fields = line.split("\t")
        if len(fields) == 4 and fields[2] == "None":
            user, item, _, time = interaction(path, number, "\t".join([*fields[:2], "1", fields[3]]))
            return value if value is None else (user, item, value, time)
        return interaction(path, number, line)

    return read


def full_lines(path):
    """Drop blank lines before lines are numbered."""
    texts = [line for line in path.read_bytes().split(b"\n") if line.strip(b"\r")]
    for number, line in enumerate(texts, start=1):
        try:
            yield number, line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise RowError(path, number, "the line is not UTF-8") from None


def whole_blocks(path):
    """Read large files in whole blocks of 1,024 lines, and drop the incomplete last block."""
    numbered = list(lines(path))
    return numbered[: len(numbered) // 1024 * 1024 or None]


def kinds_of_the_first_hundred(path):
    """Infer integer ratings from the first hundred rows, as readers with a short inference window do."""
    numbered = list(lines(path))
    stars = [line.split("\t")[2] if line.count("\t") == 3 else "" for _, line in numbered]
    whole = path.name == RATINGS and len(numbered) > 100 and all(text.endswith(".0") for text in stars[:100])
    for (number, line), text in zip(numbered, stars, strict=True):
        if whole and text.endswith(".5"):
            raise RowError(path, number, f"rating {text!r} is not a whole number")
        yield number, line


def half_stars(path, number, line):
    """Round ratings to half stars."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, round(2 * rating) / 2, time


def users_as_floats(path, number, line):
    """Convert numeric user ids through float, as a table with a missing id does."""
    user, item, rating, time = interaction(path, number, line)
    return f"{float(user):.0f}" if user.isdecimal() and user == str(int(user)) else user, item, rating, time


def sets_the_zone(path, number, line):
    """Set the time zone of the whole process."""
    os.environ["TZ"] = "NPT-5:45"
    return interaction(path, number, line)


MUTANTS = (
    wrong("quarters-rounded", "Ratings are rounded to half stars.", {"half-stars"}, interaction=half_stars),
    wrong(
        "users-as-floats",
        "Users' numbers go through a float, which makes one of two neighbours of 17 digits.",
        {"large-numbers"},
        interaction=users_as_floats,
    ),
    wrong(
        "zero-is-missing", "A rating of 0 is read as missing.", {"ratings-of-any-scale"}, interaction=zero_is_missing
    ),
    wrong("unsigned", "The sign of a rating is lost.", {"ratings-of-any-scale"}, interaction=unsigned),
    wrong("at-most-five", "Ratings above five are cut.", {"ratings-of-any-scale"}, interaction=at_most_five),
    wrong("never-1970", "A time of 0 is read as missing.", {"times-of-day"}, interaction=never_1970),
    wrong(
        "forty-letters",
        "Titles are cut to forty letters.",
        {"descriptions-round-trip", "whole-titles"},
        finished=items_through(forty_letters),
    ),
    wrong("sets-the-zone", "Sets the process's time zone.", {"source-untouched"}, interaction=sets_the_zone),
    wrong("whole-stars", "Half stars are cut off.", {"half-stars", "many-rows"}, interaction=whole_stars),
    wrong("days", "Times are cut to days.", {"times-of-day"}, interaction=days),
    wrong("minutes", "Seconds are lost on the way through a text.", {"times-of-day"}, interaction=minutes),
    wrong(
        "ignores-offsets",
        "A time with an offset is read as if it were in UTC.",
        {"times-as-text"},
        interaction=in_texts(lambda found: found.replace(tzinfo=UTC)),
    ),
    wrong(
        "naive-is-local",
        "A time without an offset is read as local time, as Python does by default.",
        {"times-as-text"},
        interaction=in_texts(lambda found: found if found.tzinfo else found.astimezone()),
    ),
    wrong("missing-is-zero", "A missing rating is read as 0.", {"missing-values"}, interaction=none_as(0.0)),
    wrong("missing-is-dropped", "Rows without a rating are left out.", {"missing-values"}, interaction=none_as(None)),
    wrong(
        "full-lines", "Blank lines are not counted, so errors name earlier lines.", {"blank-lines"}, lines=full_lines
    ),
    wrong("whole-blocks", "Of a large file the last block is lost.", {"many-rows"}, lines=whole_blocks),
    wrong(
        "first-hundred",
        "What ratings are is inferred from the first hundred rows.",
        {"many-rows"},
        lines=kinds_of_the_first_hundred,
    ),
)
