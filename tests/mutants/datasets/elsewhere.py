"""Adapters whose result depends on what they read before, or on the machine."""

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import attrs
import polars as pl

from mutants.datasets.mistakes import interactions_through
from mutants.datasets.plain import RATINGS, Plain, interaction, recognised
from mutants.datasets.wrong_adapters import wrong
from shortstack.errors import RowError

_SEEN: dict[tuple[str, int], object] = {}
_KNOWN: dict[str, object] = {}


@attrs.frozen
class ByPath:
    """Reads each folder once in a process."""

    def detect(self, source):
        """Recognise the format correctly."""
        return recognised(source)

    def read(self, source):
        """Return the contents of the folder as of its first reading."""
        return self._once(str(source)) if recognised(source) else Plain().read(source)

    @staticmethod
    @lru_cache(maxsize=8)
    def _once(source):
        return Plain().read(source)


@attrs.frozen
class ByAge:
    """Reads a folder again only when its file is newer."""

    def detect(self, source):
        """Recognise the format correctly."""
        return recognised(source)

    def read(self, source):
        """Return the contents cached for a file of that modification time."""
        if not recognised(source):
            return Plain().read(source)
        key = str(source), (Path(source) / RATINGS).stat().st_mtime_ns
        return _SEEN.setdefault(key, Plain().read(source))


def known(source):
    """Recognise a path from a cache of earlier results, without looking at it again."""
    return _KNOWN.setdefault(str(source), recognised(source)) or recognised(source)


def local(path, number, line):
    """Convert times through the local time zone."""
    user, item, rating, time = interaction(path, number, line)
    return user, item, rating, int(datetime.fromtimestamp(time / 1000).replace(tzinfo=UTC).timestamp() * 1000)  # noqa: DTZ006


def in_the_locale(path):
    """Open files in the locale's preferred encoding."""
    try:
        texts = path.read_text(encoding="locale").split("\n")
    except UnicodeDecodeError:
        raise RowError(path, 1, "the file cannot be decoded") from None
    return ((number, line) for number, line in enumerate(texts, start=1) if number < len(texts) or line)


def with_salted_split(frame):
    """Assign each row to a part by the salted hash of its user."""

    def part(user):
        return ("train", "train", "test")[hash(user) % 3]

    return frame.with_columns(split=pl.col("user").map_elements(part, return_dtype=pl.String))


MUTANTS = (
    wrong("by-path", "What was read from a path is kept for the process.", {"no-memory"}, adapter=ByPath()),
    wrong("by-age", "What was read is kept until the file is younger.", {"no-memory"}, adapter=ByAge()),
    wrong("known", "What was recognised once is recognised for ever.", {"no-memory"}, recognised=known),
    wrong("local-time", "Times go through the local calendar.", {"another-machine"}, interaction=local),
    wrong(
        "in-the-locale",
        "Files are opened in the encoding of the machine's locale.",
        {"another-machine"},
        lines=in_the_locale,
    ),
    wrong(
        "salted-split",
        "Users are parted by Python's hash, which is another one in every process.",
        {"another-machine"},
        finished=interactions_through(with_salted_split),
    ),
)
