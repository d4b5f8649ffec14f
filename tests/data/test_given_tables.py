"""Times of a table in memory: one moment is one moment, whatever its column is called and however it is stored."""

from datetime import UTC, datetime, timedelta, timezone

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dateutil.tz import gettz, tzoffset
from hypothesis import given, settings
from hypothesis import strategies as st

from shortstack.config.run_tables import DataSettings
from shortstack.data.given_tables import readable
from shortstack.errors import ConfigurationError, DataError
from shortstack.frames import frame_of
from shortstack_datasets.table import Table, TableSettings

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
MILLISECONDS = 1_577_880_000_000
"""Of ``NOON``, since 1970."""
KINDS = {
    "datetime in ms": pl.Series([NOON.replace(tzinfo=None)], dtype=pl.Datetime("ms")),
    "datetime in us": pl.Series([NOON.replace(tzinfo=None)], dtype=pl.Datetime("us")),
    "datetime in ns": pl.Series([NOON.replace(tzinfo=None)], dtype=pl.Datetime("ns")),
    "datetime with a zone": pl.Series([NOON]).dt.convert_time_zone("America/New_York"),
    "seconds": pl.Series([MILLISECONDS // 1_000]),
}


def times(frame, **columns):
    """Return the times that are read of a table in memory, in milliseconds."""
    with readable(DataSettings(source=frame, settings=columns)) as read:
        return Table(TableSettings(**read.settings)).read(read.source).interactions.collect()["timestamp"].to_list()


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    name=st.sampled_from(["timestamp", "date", "when"]),
    beside=st.sets(st.sampled_from(["timestamp", "date", "released"])),
    unit=st.sampled_from([None, "s", "ms", "us", "iso"]),
)
def test_a_moment_is_read_as_itself(kind, name, beside, unit):
    """Under a usual name or one in the settings, beside columns of dates; a unit counts for numbers alone."""
    others = {other: [NOON.date()] for other in beside - {name}}
    frame = pl.DataFrame({"user": ["u"], "item": ["i"], **others, name: KINDS[kind]})
    said = {} if unit is None or kind == "seconds" else {"timestamp_unit": unit}

    assert times(frame, timestamp=name, **said) == [MILLISECONDS]


def test_dates_and_a_form():
    """A date is its midnight, also where a form is set for texts."""
    frame = pl.DataFrame({"user": ["u"], "item": ["i"], "when": [NOON.date()]})
    midnight = MILLISECONDS - 12 * 3_600_000

    assert times(frame, timestamp="when") == [midnight]
    assert times(frame, timestamp="when", timestamp_format="%d.%m.%Y") == [midnight]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_usual_names_need_no_setting(kind):
    """The usual name alone."""
    assert times(pl.DataFrame({"user": ["u"], "item": ["i"], "timestamp": KINDS[kind]})) == [MILLISECONDS]


@pytest.mark.parametrize("offset", ["+05:30", "-08:00"])
def test_times_with_an_offset(offset):
    """What pandas makes of texts with an offset, and the same in Arrow, is that moment; polars knows no such zone."""
    text = NOON.astimezone(datetime.fromisoformat(f"2020-01-01T00:00:00{offset}").tzinfo).isoformat()
    frame = pd.DataFrame({"user": ["u"], "item": ["i"], "timestamp": pd.to_datetime([text])})
    arrow = pa.table({"user": ["u"], "item": ["i"], "timestamp": pa.array([NOON], pa.timestamp("us", offset))})

    assert times(frame) == times(arrow) == [MILLISECONDS]
    assert str(frame["timestamp"].dtype).endswith(f"UTC{offset}]")  # what was given is left as it was


@pytest.mark.parametrize(
    "zone",
    [tzoffset(None, 19_800), tzoffset("IST", 19_800), timezone(timedelta(hours=5.5), "IST"), gettz("Asia/Kolkata")],
    ids=repr,
)
def test_times_in_zones_without_a_name(zone):
    """Those of other libraries, in a column or as a named index."""
    moments = pd.DatetimeIndex([NOON]).tz_convert(zone)
    frame = pd.DataFrame({"user": ["u"], "item": ["i"], "timestamp": moments})
    indexed = pd.DataFrame({"user": ["u"], "item": ["i"]}, index=moments.rename("timestamp"))

    assert times(frame) == times(indexed) == [MILLISECONDS]


def test_times_with_an_offset_in_a_file(tmp_path):
    """A file of them is refused for what it is."""
    path = tmp_path / "t.parquet"
    times_there = pa.array([NOON], pa.timestamp("us", "+05:30"))
    pq.write_table(pa.table({"user": ["u"], "item": ["i"], "when": times_there}), path)
    with pytest.raises(DataError) as caught:
        Table(TableSettings(timestamp="when")).read(path)

    assert str(caught.value) == (
        f"{path} holds times of the time zone '+05:30', which cannot be read; convert them to UTC"
    )


def test_a_column_of_dates_is_as_in_a_file(tmp_path):
    """Filters and ids see the same text in memory as in Parquet."""
    frame = pl.DataFrame(
        {"user": ["u", "v"], "item": [NOON.date()] * 2, "day": [NOON.date(), NOON.date().replace(day=2)]}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    said = {"where": {"day": "2020-01-01"}}
    file = Table(TableSettings(**said)).read(tmp_path / "t.parquet").interactions.collect()
    with readable(DataSettings(source=frame, settings=said)) as read:
        memory = Table(TableSettings(**read.settings)).read(read.source).interactions.collect()

    assert memory.rows() == file.rows() == [("u", "2020-01-01", None, None)]


def test_classes_of_datasets_are_their_names():
    """As categories of pandas and polars are: "4" is the rating of the class "4", whose number is 3; −1 is no class."""
    stars, films = datasets.ClassLabel(names=["1", "2", "3", "4", "5"]), datasets.ClassLabel(names=["Heat", "Big"])
    features = {
        "rating": stars,
        "items": datasets.List(films),
        "pair": datasets.List(films, length=2),
        "user": datasets.Value("int64"),
    }
    rows = {"rating": [3, 0, -1, None], "items": [[1, 0], [], [0], None], "pair": [[1, 0]] * 4, "user": [3, 1, 0, 0]}

    frame = frame_of(datasets.Dataset.from_dict(rows, features=datasets.Features(features)))

    assert ["4", "1", None, None] == frame["rating"].to_list()
    assert [["Big", "Heat"], [], ["Heat"], None] == frame["items"].to_list()
    assert [["Big", "Heat"]] * 4 == frame["pair"].to_list()
    assert [3, 1, 0, 0] == frame["user"].to_list()


def test_lists_of_categories():
    """As in a file, each is one category."""
    frame = pl.DataFrame({"user": ["u"], "item": ["i"], "genres": [["Drama", "War"]]})
    with readable(DataSettings(source=frame)) as read:
        records = Table(TableSettings(**read.settings)).read(read.source)

    assert records.items.collect()["category"].to_list() == ["Drama|War"]


class Odd:
    """A value that no library knows."""


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pd.DataFrame({"item": [1, 2], "user": [1, "alice"]}),
            (
                "the DataFrame cannot be read as a table: its column 'user' holds values of several types (int, str); make all of "
                "them texts, numbers or times, as with .astype(str)"
            ),
        ),
        (
            pd.DataFrame({"user": [Odd(), None]}),
            (
                "the DataFrame cannot be read as a table: its column 'user' holds values of the type Odd; make all of them texts, "
                "numbers or times, as with .astype(str)"
            ),
        ),
        (
            pd.DataFrame([["alice", "bob"]], columns=["user", "user"]),
            "the DataFrame cannot be read as a table: two of its columns have one name; rename one",
        ),
        (
            pl.LazyFrame({"user": ["alice"]}).cast(pl.Int64),
            "the LazyFrame cannot be read as a table: InvalidOperationError",
        ),
    ],
)
def test_tables_that_are_none(table, message):
    """The column and what is wrong with it are named; a library's message would quote a user's id."""
    with pytest.raises(ConfigurationError) as caught:
        frame_of(table)
    assert str(caught.value) == message
