"""A look at data: the adapter that reads them, the columns and units that it needs, and filters that leave something."""

import json

import polars as pl
import pytest
from pipeline.conftest import write_ring

from shortstack.drafting.data_look import look, proposal
from shortstack.errors import DataError, SourceNotFoundError
from shortstack.registry import Registry


@pytest.fixture(scope="module")
def registry():
    """The installed plugins."""
    return Registry.from_environment()


@pytest.fixture
def file(tmp_path):
    """Function that writes a file and returns its path."""

    def write(name, *lines):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    return write


def test_columns_and_separator(file, registry):
    """Columns are recognised by their usual names, whatever their case and punctuation."""
    source = file(
        "shop.csv", "Customer ID;product;Stars;when;name", "u;i;5;1700000000;A film", "v;i;4;1700000001;A film"
    )

    how = proposal(source, registry)

    assert how.adapter == "table"
    assert how.settings == {
        "separator": ";",
        "user": "Customer ID",
        "item": "product",
        "rating": "Stars",
        "timestamp": "when",
        "title": "name",
        "timestamp_unit": "s",
    }


@pytest.mark.parametrize(
    ("times", "settings"),
    [
        (["1700000000", "12"], {"timestamp_unit": "s"}),
        (["1700000000.5"], {"timestamp_unit": "s"}),
        (["1700000000000"], {"timestamp_unit": "ms"}),
        (["1700000000000000"], {"timestamp_unit": "us"}),
        (["2023-11-14T22:13:20Z", "2023-11-14"], {"timestamp_unit": "iso"}),
        (["20231114"], {"timestamp_format": "%Y%m%d"}),
        (["11/1/2000", "11/13/2000"], {"timestamp_format": "%m/%d/%Y"}),
        (["13/1/2000"], {"timestamp_format": "%d/%m/%Y"}),
        (["14.11.2023 22:13"], {"timestamp_format": "%d.%m.%Y %H:%M"}),
        (["yesterday"], {}),
        ([""], {}),
    ],
)
def test_times(times, settings, file, registry):
    """The unit of numbers follows from their size, the form of texts from all of them."""
    source = file("x.csv", "user,item,time", *(f"u{n},i,{time}" for n, time in enumerate(times)))

    assert proposal(source, registry, adapter="table").settings == {
        "user": "user",
        "item": "item",
        "timestamp": "time",
        **settings,
    }


def test_other_formats(file, registry, tmp_path):
    """JSON lines, a JSON array, Parquet with times of its own, and text without a header."""
    rows = [{"user": "u", "item": "i", "time": 1}, {"user": "v", "item": "i", "time": 2}]
    lines, array = file("a.jsonl", *map(json.dumps, rows)), file("b.json", json.dumps(rows))
    pl.DataFrame(rows).with_columns(pl.col("time").cast(pl.Datetime("us"))).write_parquet(tmp_path / "c.parquet")
    named = {"user": "user", "item": "item", "timestamp": "time"}
    found = [proposal(source, registry, adapter="table").settings for source in (lines, array, tmp_path / "c.parquet")]

    assert found == [named | {"timestamp_unit": "s"}, named | {"timestamp_unit": "s"}, named]
    assert proposal(file("d.csv", "7,12,5", "8,12,4"), registry, adapter="table").settings == {"header": False}


def test_published_formats_come_first(file, registry, tmp_path):
    """A folder with MovieLens' names and columns is MovieLens, though each file is a table; lines of ids are sequences."""
    sequences = file("Beauty.txt", "1 4 5 6", "2 5 6 4")
    assert proposal(sequences, registry).adapter == "sequences"

    (tmp_path / "ml").mkdir()
    file("ml/ratings.csv", "userId,movieId,rating,timestamp", "1,2,3.5,1700000000")
    file("ml/movies.csv", "movieId,title,genres", "2,Heat (1995),Crime")
    assert proposal(str(tmp_path / "ml"), registry).adapter == "movielens"


def test_filters_and_order(file, registry, tmp_path):
    """The usual core where it leaves something, else a lower one; without times, rows are in order."""
    ring = str(write_ring(tmp_path / "ring.csv"))
    few = file("few.csv", "user,item", "u,i", "u,j", "u,k", "v,i", "v,j", "v,k")
    looks = [look(source, proposal(source, registry), registry) for source in (ring, few)]

    assert [(one.core, one.order, one.shown) for one in looks] == [(5, "time", False), (2, "file", False)]
    assert looks[0].facts["users"] == 60


def test_what_cannot_be_read(file, registry):
    """An unknown name, no source, and a table whose columns are not recognised, each with what to do."""
    odd = file("odd.csv", "who,what", "u,i")
    with pytest.raises(SourceNotFoundError, match="gone is not there; name a file, a folder or an archive"):
        proposal("gone", registry)
    with pytest.raises(
        DataError,
        match=r"no adapter recognises .*\.tex; name the one that reads it with --adapter: amazon-reviews, .*, table",
    ):
        proposal(file("thesis.tex", "words"), registry)
    with pytest.raises(DataError, match="has no column 'user' for user") as raised:
        look(odd, proposal(odd, registry), registry)
    assert raised.value.__notes__[-1] == (
        "columns and format are settings: --set data.settings.user=COLUMN; see shortstack show dataset table"
    )
