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
    """Return a function that changes the interactions of records."""
    return lambda records: attrs.evolve(records, interactions=change(records.interactions))


def items_through(change):
    """Return a function that changes the items of records."""
    return lambda records: attrs.evolve(records, items=change(records.items.collect()).lazy())


def in_memory(change):
    """Return a function that changes the collected interactions of records."""
    return interactions_through(lambda frame: change(frame.collect()).lazy())


def by_first_use(frame):
    """Number users by first occurrence: 0, 1, 2."""
    users = frame["user"].unique(maintain_order=True).to_list()
    return frame.with_columns(user=pl.Series([str(users.index(user)) for user in frame["user"]], dtype=pl.String))


def with_titles_of_the_table(records):
    """Keep only interactions whose item has a title."""
    return attrs.evolve(records, interactions=records.interactions.join(records.items, on="item", how="semi"))


def sorted_titles(items):
    """Assign titles to items by rank."""
    order = items.sort("item")
    return order.with_columns(items["title"])


def in_32_bits(frame):
    """Store seconds as signed 32-bit integers, as many databases do."""
    seconds = pl.col("timestamp") // 1_000
    wrapped = (seconds + 2**31) % 2**32 - 2**31
    return frame.with_columns(timestamp=pl.col("timestamp") + (wrapped - seconds) * 1_000)


def first_category(items):
    """Keep only the category before the first bar."""
    return items.with_columns(pl.col("category").str.split("|").list.first())


def cut_titles(items):
    """Cut titles to their first hundred characters."""
    return items.with_columns(pl.col("title").str.head(100))


def without_entities(items):
    """Decode HTML entities, as a browser would show them."""
    return items.with_columns(pl.col("title").map_elements(html.unescape, return_dtype=pl.String))


def in_any_order(frame):
    """Return rows in an unseeded random order."""
    return frame.sample(fraction=1.0, shuffle=True, seed=random.SystemRandom().randrange(1 << 30))


def headed(path):
    """Take the first line for a header."""
    rows = list(lines(path))
    return rows[1:] if path.name == RATINGS else rows


def ended(path):
    """Drop a last line that does not end with a newline."""
    return list(lines(path))[: path.read_bytes().count(b"\n")]


def unended(path):
    """Leave Windows line ends in the last field of a movie."""
    if path.name == RATINGS:
        yield from lines(path)
        return
    ends = [line[-1:] == b"\r" for line in path.read_bytes().split(b"\n")]
    yield from ((number, line + "\r" * ends[number - 1]) for number, line in lines(path))


def through_float(path, number, line):
    """Convert numeric user ids through float."""
    user, *rest = interaction(path, number, line)
    return f"{float(user):.1f}" if user.isdecimal() else user, *rest


def numbered(path, number, line):
    """Strip leading zeros from numeric user ids."""
    user, *rest = interaction(path, number, line)
    return str(int(user)) if user.isascii() and user.isdigit() else user, *rest


def without_na(path, number, line):
    """Drop users whose id is one of pandas' markers of missing values."""
    row = interaction(path, number, line)
    return None if row[0] in {"NA", "nan", "null", "None"} else row


def composed(path, number, line):
    """Normalise user ids to composed Unicode (NFC)."""
    user, *rest = interaction(path, number, line)
    return unicodedata.normalize("NFC", user), *rest


def trimmed(path, number, line):
    """Strip white space around ids."""
    user, item, *rest = interaction(path, number, line)
    return user.strip(" ") or user, item.strip(" ") or item, *rest


def once(frame):
    """Return a table that can be collected only once."""
    rows = frame.collect().rows()

    def taken(_nothing):
        held = rows.copy()
        rows.clear()
        return table(held, INTERACTIONS)

    return pl.DataFrame(schema=INTERACTIONS).lazy().map_batches(taken, schema=INTERACTIONS)


def item_of_each_row(records):
    """Return one item row per interaction."""
    described = records.interactions.select("item").join(records.items, on="item", how="left")
    return attrs.evolve(records, items=described.select(ITEMS.keys()))


def first_fields(path, number, line):
    """Ignore fields after the fourth."""
    return interaction(path, number, "\t".join(line.split("\t")[:4]))


def skipping(path, number, line):
    """Skip bad rows."""
    try:
        return interaction(path, number, line)
    except RowError:
        return None


def nulled(path, number, line):
    """Replace bad numbers by null."""
    try:
        return interaction(path, number, line)
    except RowError:
        fields = line.split("\t")
        if len(fields) != 4 or not fields[0] or not fields[1]:
            raise
        return fields[0], fields[1], None, None


def floating(path, number, line):
    """Accept as a rating any text that float() accepts."""
    fields = line.split("\t")
    try:
        value = float(fields[2])
    except (ValueError, IndexError):
        return interaction(path, number, line)
    user, item, _, time = interaction(path, number, "\t".join([*fields[:2], "1", *fields[3:]]))
    return user, item, value, time


def next_line(path, number, line):
    """Count lines from the second."""
    return interaction(path, number + 1, line)


def nameless_file(path, number, line):
    """Report the file's name without its folder."""
    return interaction(Path(path.name), number, line)


def nameless_column(path, number, line):
    """Report the value, but not its column."""
    try:
        return interaction(path, number, line)
    except RowError as error:
        value = re.search("'.*'", str(error).removeprefix(str(path)))
        if value is None:
            raise
        raise RowError(path, number, f"{value[0]} is not a number") from None


def whole_line(path, number, line):
    """Put the whole line into the message, and with it the user's id."""
    try:
        return interaction(path, number, line)
    except RowError as error:
        raise RowError(path, number, f"{str(error).removeprefix(f'{path}:{number}: ')}: {line!r}") from None


def caused(path, number, line):
    """Reveal the user's id through the chained exception."""
    try:
        return interaction(path, number, line)
    except RowError as error:
        raise error from ValueError(line)


def unguarded(_path, _number, line):
    """Let Python's own exceptions through."""
    user, item, rating, time = line.split("\t")
    return user, item, float(rating), int(time)


def undecoded(path):
    """Let UnicodeDecodeError through."""
    texts = path.read_bytes().decode().removesuffix("\n").split("\n")
    return ((number, line.removesuffix("\r")) for number, line in enumerate(texts, start=1))


@attrs.frozen
class Silent:
    """Returns an empty table on any error."""

    def detect(self, source):
        """Recognise the format correctly."""
        return recognised(source)

    def read(self, source):
        """Read, and raise no error."""
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
        """Recognise the format correctly."""
        return recognised(source)

    def read(self, source):
        """Read without checks, so that a missing file raises the operating system's error."""
        if not Path(source).exists():
            raise FileNotFoundError(source)
        return Plain().read(source)


@attrs.frozen
class PathsOnly:
    """Accepts paths, not strings."""

    def detect(self, source):
        """Use ``Path`` methods, which strings do not have."""
        return recognised(source) if (source / RATINGS).exists() else None

    def read(self, source):
        """Use ``Path`` methods, which strings do not have."""
        return Plain().read(source.parent / source.name)


@attrs.frozen
class Caching:
    """Writes a cached copy beside its source."""

    def detect(self, source):
        """Recognise the format correctly."""
        return recognised(source)

    def read(self, source):
        """Read, and leave a file behind."""
        records = Plain().read(source)
        records.interactions.collect().write_parquet(Path(source) / "cache.parquet")
        return records
