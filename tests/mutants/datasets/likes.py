"""A correct adapter of binary feedback: a thumb up or down, and a time; other ratings are refused."""

from datetime import UTC, datetime

import polars as pl

from mutants.datasets.texts import SCHEMA, TEXTS, decoded, edition, the_file
from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.errors import DataError, RowError

STARS = {"up": 5.0, "down": 1.0}
THUMBS = {stars: thumb for thumb, stars in STARS.items()}


class Likes:
    """Reads user, item, thumb and time between tabs."""

    detect = staticmethod(edition(".likes"))

    def read(self, source):
        """Read row by row."""
        path = the_file(source, ".likes")
        rows = list(_rows(path))
        items = [(item, None, None, None) for item in sorted({item for _, item, *_ in rows})]
        return Records(
            interactions=pl.LazyFrame(rows, schema=SCHEMA, orient="row"),
            items=pl.LazyFrame(items, schema=TEXTS, orient="row"),
            edition=Edition(name="likes"),
        )


def _rows(path):
    for number, line in enumerate(decoded(path).removesuffix("\n").split("\n"), start=1):
        fields = line.removesuffix("\r").split("\t")
        if len(fields) != 4 or not fields[0] or not fields[1]:
            raise RowError(path, number, "the line is not a user, an item, a thumb and a time")
        user, item, thumb, time = fields
        if thumb not in STARS:
            raise RowError(path, number, f"thumb {thumb!r} is neither up nor down")
        try:
            moment = datetime.strptime(time, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        except ValueError:
            raise RowError(path, number, f"time {time!r} is not like 2009-05-04 23:08") from None
        yield user, item, STARS[thumb], int(moment.timestamp()) * 1000


def write_likes(_settings, sample, folder):
    """Write the sample, and refuse ratings other than the best and the worst."""
    written = []
    for row in sample.rows:
        if not isinstance(row.rating, str) and row.rating not in THUMBS:
            raise DataError(f"a thumb cannot hold the rating {row.rating!r}, only 1 and 5")
        time = row.timestamp
        if not isinstance(time, str):
            time = "" if time is None else datetime.fromtimestamp(time / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")
        written.append(f"{row.user}\t{row.item}\t{THUMBS.get(row.rating, row.rating)}\t{time}\n")
    path = folder / "small.likes"
    path.write_bytes("".join(written).encode())
    return path


LIKES = DatasetDescriptor(
    name="likes",
    summary="Thumbs up and down.",
    build=lambda _settings: Likes(),
    traits=DatasetTraits(text_ids=True),
    write=write_likes,
)
