"""A correct adapter on Python's csv module: quoted text with a header, row by row; neither ratings nor titles."""

import csv

import polars as pl

from mutants.datasets.texts import SCHEMA, TEXTS, day, decoded, edition, milliseconds, the_file
from shortstack.contracts import DatasetDescriptor, DatasetTraits, Edition, Records
from shortstack.errors import DataError, RowError


class Visits:
    """Reads quoted text with a header, row by row."""

    detect = staticmethod(edition(".visits"))

    def read(self, source):
        """Read user, place and day."""
        path = the_file(source, ".visits")
        rows = list(self._rows(path))
        frame = pl.LazyFrame([(user, item, None, time) for user, item, time in rows], schema=SCHEMA, orient="row")
        places = [(item, None, None, None) for item in sorted({item for _, item, _ in rows})]
        return Records(
            interactions=frame, items=pl.LazyFrame(places, schema=TEXTS, orient="row"), edition=Edition(name="visits")
        )

    def _rows(self, path):
        text = decoded(path).replace("\r\n", "\n").removesuffix("\n")
        reader = csv.reader(text.split("\n"), strict=True)
        try:
            header = next(reader, None)
            if header != ["visitor", "place", "day"]:
                raise DataError(f"{path} should begin with visitor,place,day")
            for fields in reader:
                if len(fields) != 3 or not fields[0] or not fields[1]:
                    raise RowError(path, reader.line_num, "the row is not a visitor, a place and a day")
                time = milliseconds(fields[2])
                if time is None:
                    raise RowError(path, reader.line_num, f"day {fields[2]!r} is not a date")
                yield fields[0], fields[1], time
        except csv.Error:
            raise RowError(path, reader.line_num, "the row cannot be read as comma-separated text") from None


def write_visits(_settings, sample, folder):
    """Write users, places and days."""
    path = folder / "town.visits"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["visitor", "place", "day"])
        writer.writerows([row.user, row.item, day(row.timestamp)] for row in sample.rows)
    return path


VISITS = DatasetDescriptor(
    name="visits",
    summary="Visits by day.",
    build=lambda _settings: Visits(),
    traits=DatasetTraits(ratings=False, text_ids=True),
    write=write_visits,
)
