"""One mistake each: parts of the correct adapter of ``plain``, wrongly made."""

import html
import random
import re
import unicodedata
from pathlib import Path

import attrs
import polars as pl

from mutants.datasets.plain import INTERACTIONS, ITEMS, RATINGS, Plain, interaction, lines, recognised, table
from shortstack.contracts import Edition, Records
from shortstack.errors import DataError, RowError


def interactions_through(change):
    """The interactions are changed before they are given."""
    return lambda records: attrs.evolve(records, interactions=change(records.interactions))


def items_through(change):
    """The items are."""
    return lambda records: attrs.evolve(records, items=change(records.items.collect()).lazy())


def in_memory(change):
    """A change of the whole table."""
    return interactions_through(lambda frame: change(frame.collect()).lazy())


def by_first_use(frame):
    """Users are 0, 1, 2."""
    users = frame["user"].unique(maintain_order=True).to_list()
    return frame.with_columns(user=pl.Series([str(users.index(user)) for user in frame["user"]], dtype=pl.String))


def with_titles_of_the_table(records):
    """Only interactions whose item has a title."""
    return attrs.evolve(records, interactions=records.interactions.join(records.items, on="item", how="semi"))


def sorted_titles(items):
    """Titles go to the items by rank."""
    order = items.sort("item")
    return order.with_columns(items["title"])


def in_32_bits(frame):
    """Seconds in 32 bits with a sign, as in many a database."""
    seconds = pl.col("timestamp") // 1_000
    wrapped = (seconds + 2**31) % 2**32 - 2**31
    return frame.with_columns(timestamp=pl.col("timestamp") + (wrapped - seconds) * 1_000)


def first_category(items):
    """What comes before a bar."""
    return items.with_columns(pl.col("category").str.split("|").list.first())


def cut_titles(items):
    """The first hundred letters."""
    return items.with_columns(pl.col("title").str.head(100))


def without_entities(items):
    """As a page would show them."""
    return items.with_columns(pl.col("title").map_elements(html.unescape, return_dtype=pl.String))


def in_any_order(frame):
    """Rows in an order of nobody's choosing."""
    return frame.sample(fraction=1.0, shuffle=True, seed=random.SystemRandom().randrange(1 << 30))


def headed(path):
    """The first line is taken for a header."""
    rows = list(lines(path))
    return rows[1:] if path.name == RATINGS else rows


def ended(path):
    """A line is what ends with a newline."""
    return list(lines(path))[: path.read_bytes().count(b"\n")]


def unended(path):
    """Windows line ends stay in the last field of a movie."""
    if path.name == RATINGS:
        yield from lines(path)
        return
    ends = [line[-1:] == b"\r" for line in path.read_bytes().split(b"\n")]
    yield from ((number, line + "\r" * ends[number - 1]) for number, line in lines(path))


def through_float(path, number, line):
    """A number of a user becomes a float."""
    user, *rest = interaction(path, number, line)
    return f"{float(user):.1f}" if user.isdecimal() else user, *rest


def numbered(path, number, line):
    """A user that is digits loses the zeros before them."""
    user, *rest = interaction(path, number, line)
    return str(int(user)) if user.isascii() and user.isdigit() else user, *rest


def without_na(path, number, line):
    """Users that are called as pandas calls what is missing are left out."""
    found = interaction(path, number, line)
    return None if found[0] in {"NA", "nan", "null", "None"} else found


def composed(path, number, line):
    """A user's letters and accents become one."""
    user, *rest = interaction(path, number, line)
    return unicodedata.normalize("NFC", user), *rest


def trimmed(path, number, line):
    """Ids lose the blanks around them."""
    user, item, *rest = interaction(path, number, line)
    return user.strip(" ") or user, item.strip(" ") or item, *rest


def once(frame):
    """A table whose rows are gone after they were collected."""
    rows = frame.collect().rows()

    def taken(_nothing):
        held = rows.copy()
        rows.clear()
        return table(held, INTERACTIONS)

    return pl.DataFrame(schema=INTERACTIONS).lazy().map_batches(taken, schema=INTERACTIONS)


def item_of_each_row(records):
    """One row of items for each interaction."""
    described = records.interactions.select("item").join(records.items, on="item", how="left")
    return attrs.evolve(records, items=described.select(ITEMS.keys()))


def first_fields(path, number, line):
    """What stands behind the fourth field is not looked at."""
    return interaction(path, number, "\t".join(line.split("\t")[:4]))


def skipping(path, number, line):
    """A bad row is left out."""
    try:
        return interaction(path, number, line)
    except RowError:
        return None


def nulled(path, number, line):
    """A bad number is none."""
    try:
        return interaction(path, number, line)
    except RowError:
        fields = line.split("\t")
        if len(fields) != 4 or not fields[0] or not fields[1]:
            raise
        return fields[0], fields[1], None, None


def floating(path, number, line):
    """Whatever float() takes is a rating."""
    fields = line.split("\t")
    try:
        value = float(fields[2])
    except (ValueError, IndexError):
        return interaction(path, number, line)
    user, item, _, time = interaction(path, number, "\t".join([*fields[:2], "1", *fields[3:]]))
    return user, item, value, time


def next_line(path, number, line):
    """Lines are counted from the second."""
    return interaction(path, number + 1, line)


def nameless_file(path, number, line):
    """The file's name without its folder."""
    return interaction(Path(path.name), number, line)


def nameless_column(path, number, line):
    """The value is told, but not of which column."""
    try:
        return interaction(path, number, line)
    except RowError as error:
        value = re.search("'.*'", str(error).removeprefix(str(path)))
        if value is None:
            raise
        raise RowError(path, number, f"{value[0]} is not a number") from None


def whole_line(path, number, line):
    """The line is told, and with it the user."""
    try:
        return interaction(path, number, line)
    except RowError as error:
        raise RowError(path, number, f"{str(error).removeprefix(f'{path}:{number}: ')}: {line!r}") from None


def caused(path, number, line):
    """The user is told by the error below."""
    try:
        return interaction(path, number, line)
    except RowError as error:
        raise error from ValueError(line)


def unguarded(_path, _number, line):
    """Python's own errors."""
    user, item, rating, time = line.split("\t")
    return user, item, float(rating), int(time)


def undecoded(path):
    """Nobody thinks of other encodings."""
    texts = path.read_bytes().decode().removesuffix("\n").split("\n")
    return ((number, line.removesuffix("\r")) for number, line in enumerate(texts, start=1))


@attrs.frozen
class Silent:
    """An empty table for whatever goes wrong."""

    def detect(self, source):
        """As it should."""
        return recognised(source)

    def read(self, source):
        """Never an error."""
        try:
            return Plain().read(source)
        except DataError:
            return Records(
                interactions=table([], INTERACTIONS).lazy(),
                items=table([], ITEMS).lazy(),
                edition=Edition(name="plain"),
            )


@attrs.frozen
class Unchecked:
    """Opens what it is given."""

    def detect(self, source):
        """As it should."""
        return recognised(source)

    def read(self, source):
        """The operating system tells what is not there."""
        if not Path(source).exists():
            raise FileNotFoundError(source)
        return Plain().read(source)


@attrs.frozen
class PathsOnly:
    """Takes no text."""

    def detect(self, source):
        """Joins paths."""
        return recognised(source) if (source / RATINGS).exists() else None

    def read(self, source):
        """Joins paths."""
        return Plain().read(source.parent / source.name)


@attrs.frozen
class Caching:
    """Puts a faster copy beside what it read."""

    def detect(self, source):
        """As it should."""
        return recognised(source)

    def read(self, source):
        """Leaves a file behind."""
        records = Plain().read(source)
        records.interactions.collect().write_parquet(Path(source) / "cache.parquet")
        return records
