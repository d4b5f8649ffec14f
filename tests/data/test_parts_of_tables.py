"""Tables that are read some rows at a time, each text once in memory: all comes out as of a table that is read at once."""

import random

import attrs
import polars as pl
import pytest
from sources import build

from shortstack.contracts import Edition, Records
from shortstack.data.checks import check_items
from shortstack.data.coded import coded
from shortstack.data.interactions import Interactions
from shortstack.data.records import digest_of, read_once
from shortstack.data.splits import split
from shortstack.errors import DataError, EmptyDataError, PluginError, RowError
from shortstack.testing import check
from shortstack_datasets.reading.gathered import gathered

TABLES = ("items", "interactions")
AT_ONCE = ("shortstack_datasets.reading.parquet.ROWS", "shortstack_datasets.reading.lists.ROWS")


def rows_at_once(monkeypatch, rows):
    """Let tables of Parquet be read so many rows at a time."""
    for name in AT_ONCE:
        monkeypatch.setattr(name, rows)


def table(seed):
    """Return 1 to 60 interactions, some of them bad, with few users, ties and repeats."""
    draw = random.Random(seed)
    rows = draw.choice([1, 7, 30, 60])
    name = draw.choice([str, int, float, "é{}".format])
    return pl.DataFrame(
        {
            "user": [name(draw.randrange(1 + rows // 6)) for _ in range(rows)],
            "item": [
                draw.choice([name(draw.randrange(6)), None if draw.random() < 0.2 else name(7)]) for _ in range(rows)
            ],
            "rating": [draw.choice([1.0, 2.5, 4.0]) for _ in range(rows)],
            "timestamp": [86_400 * draw.randrange(1, 9) for _ in range(rows)],
            "title": [draw.choice(["Heat", "Alien", ""]) for _ in range(rows)],
        }
    )


def write(frame, folder, adapter):
    """Write a table for an adapter; return the path and the adapter's settings."""
    if adapter == "table":
        frame.write_parquet(folder / "a.parquet")
        return folder / "a.parquet", {"rating": "rating", "timestamp": "timestamp", "title": "title"}
    lists = frame.group_by("user", maintain_order=True).agg(items="item", ratings="rating", timestamps="timestamp")
    for number, shard in enumerate(lists.iter_slices(4)):
        shard.write_parquet(folder / f"part-{number}.parquet")
    return folder, {}


def results(records, **how):
    """Return all that the data stage makes of records, or what it says where nothing is left."""
    try:
        made = Interactions.from_records(records, core=2, **how)
    except EmptyDataError as error:
        return [str(error)]
    histories = split(made, "ratio")
    arrays = [array.tolist() for array in (histories.items, histories.offsets, histories.splits)]
    return [
        made.table.schema,
        made.table.rows(),
        made.users.to_list(),
        made.items.rows(),
        made.facts(),
        made.remarks,
        arrays,
    ]


@pytest.mark.parametrize("adapter", ["table", "prepared"])
@pytest.mark.parametrize("seed", range(12))
def test_parts_are_as_the_whole(tmp_path, monkeypatch, adapter, seed):
    """Rows, items, bad rows with their numbers, digest and histories are the same however many rows are read at once."""
    source, settings = write(table(seed), tmp_path, adapter)
    whole = build(adapter, **settings, skip_bad_rows=True).read(source)

    for rows in (1, 3, 16):
        rows_at_once(monkeypatch, rows)
        parts = build(adapter, **settings, skip_bad_rows=True).read(source)

        assert parts.interactions.collect().equals(whole.interactions.collect())
        assert parts.items.collect().equals(whole.items.collect())
        assert (parts.skipped, parts.edition) == (whole.skipped, whole.edition)
        assert digest_of(read_once(parts, TABLES, as_codes=True), TABLES) == digest_of(whole, TABLES)


HOW: list[dict[str, object]] = [
    {},
    {"min_rating": 2.5, "duplicates": "first"},
    {"since": "1970-01-03", "until": "1970-01-08", "last_n": 2, "ties": "file"},
    {"order": "file", "duplicates": "last", "sample_users": 3, "seed": 1},
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("seed", range(8))
def test_texts_that_are_held_once_change_nothing(how, seed):
    """Records whose ids are texts in each row, and those whose ids are codes, give the same interactions and histories."""
    texts = (
        table(seed)
        .drop_nulls()
        .with_columns(pl.col("user", "item").cast(pl.String), timestamp=1_000 * pl.col("timestamp"))
    )
    texts = pl.concat([texts.drop("title")] * 3).with_columns(category=pl.lit("films"))
    items = texts.select("item", title="item", category="category", text=pl.lit(None, pl.String)).unique("item")
    records = Records(interactions=texts.lazy(), items=items.lazy(), edition=Edition(name="mine"))
    once = attrs.evolve(
        records, interactions=gathered(texts[at : at + 5] for at in range(0, max(len(texts), 1), 5)).lazy()
    )

    assert once.interactions.collect_schema()["user"] == pl.Enum(texts["user"].unique().sort())
    assert (
        digest_of(records, TABLES)
        == digest_of(once, TABLES)
        == digest_of(read_once(records, TABLES, as_codes=True), TABLES)
    )
    assert results(records, **how) == results(once, **how) == results(read_once(records, TABLES, as_codes=True), **how)


def test_no_more_rows_than_that_are_texts_at_once(tmp_path, monkeypatch):
    """Of a file of 100 rows, 16 are converted at a time: so the memory of the reading does not grow with the file."""
    converted = []
    rows_at_once(monkeypatch, 16)
    monkeypatch.setattr(
        "shortstack_datasets.reading.typed_frames.typed",
        lambda texts, *_, **_more: converted.append(len(texts)) or texts,
    )
    pl.DataFrame({"user": range(100), "item": range(100)}).write_parquet(tmp_path / "a.parquet")
    build("table").read(tmp_path / "a.parquet")

    assert converted == [16] * 6 + [4]


def test_ids_that_are_floats_are_looked_at_together(tmp_path, monkeypatch):
    """Ids are whole numbers if all of them are: one that is none, in a later part, keeps the notation of all."""
    rows_at_once(monkeypatch, 2)
    pl.DataFrame({"user": ["a"] * 5, "item": [1.0, 2.0, 3.0, 4.0, 2.5]}).write_parquet(tmp_path / "a.parquet")
    read = build("table").read(tmp_path / "a.parquet")

    assert read.interactions.collect()["item"].to_list() == ["1.0", "2.0", "3.0", "4.0", "2.5"]


@pytest.mark.parametrize("adapter", ["table", "prepared"])
def test_a_bad_row_of_a_later_part(tmp_path, monkeypatch, adapter):
    """Its number is that of the file."""
    rows_at_once(monkeypatch, 2)
    frame = pl.DataFrame(
        {"user": [*"abcde"], "item": [*"vwxy", ""], "rating": [1.0] * 5, "timestamp": [1] * 5, "title": [""] * 5}
    )
    source, settings = write(frame, tmp_path, adapter)

    with pytest.raises(
        RowError, match=r"a\.parquet:5: item is empty" if adapter == "table" else r"part-1\.parquet:1: items is empty"
    ):
        build(adapter, **settings).read(source)


@pytest.mark.parametrize("adapter", ["table", "prepared"])
def test_the_form_of_coded_tables(adapter):
    """The conformance kit takes texts that are held once for texts."""
    outcomes = check(adapter, "dataset", laws=("form", "collects-twice", "reads-alike"), examples=3)

    assert [outcome.failure for outcome in outcomes if outcome.status == "failed"] == []
    assert len(outcomes) >= 3


def test_columns_without_a_text():
    """A part may hold none, and so may all of them."""
    parts = [pl.DataFrame({"title": values}, schema={"title": pl.String}) for values in ([None], ["a", None], [])]

    assert gathered(parts)["title"].to_list() == [None, "a", None]
    assert gathered(parts[:1] * 2)["title"].to_list() == [None, None]
    assert coded(parts[0].lazy())["title"].to_list() == [None]
    assert coded(pl.LazyFrame({"rating": [1.0]})).rows() == [(1.0,)]


@pytest.mark.parametrize("second", [["a", "c"], ["a"], ["a", "b", "b"], ["a", None]])
def test_a_source_that_changes_while_it_is_read(second):
    """Another text, or another number of rows, at the second reading is an error, and no row is lost."""
    readings = iter([["a", "b"], second])
    changing = pl.LazyFrame({"user": ["a", "b"]}).map_batches(
        lambda _: pl.DataFrame({"user": next(readings)}, schema={"user": pl.String}), schema={"user": pl.String}
    )

    with pytest.raises(
        PluginError, match="an adapter's table differs from one reading to the next; give the same rows each time"
    ):
        coded(changing)


def test_long_texts_are_left_as_they_are():
    """Only the columns whose texts come again and again are held as codes."""
    frame = coded(pl.LazyFrame({"user": ["u", "u"], "review": ["so long", "and thanks"]}))

    assert frame.schema == {"user": pl.Enum(["u"]), "review": pl.String}


@pytest.mark.parametrize("as_codes", [True, False])
def test_records_of_a_task_of_ones_own_have_texts(as_codes):
    """What joins, searches and replaces texts works, whatever the adapter gave; the built-in tasks get codes."""
    names = pl.DataFrame(
        {"user": ["a", "b"], "item": ["i", "j"]}, schema={"user": pl.Enum(["a", "b"]), "item": pl.String}
    )
    table = names.with_columns(rating=pl.lit(None, pl.Float64), timestamp=pl.lit(None, pl.Int64)).lazy()
    items = pl.LazyFrame({"item": ["i", "j"], "title": ["I", "J"]})
    records = Records(interactions=table, items=items, edition=Edition(name="x", facts={}))
    there = read_once(records, ["interactions", "items"], as_codes=as_codes)

    assert isinstance(there.interactions.collect_schema()["item"], pl.Enum if as_codes else pl.String)
    if not as_codes:
        joined = there.interactions.join(there.items, on="item").filter(pl.col("user").str.starts_with("a")).collect()
        assert joined["title"].to_list() == ["I"]


def test_codes_in_the_table_of_items_are_refused():
    """The contract has them in interactions alone."""
    items = pl.DataFrame({"item": ["i"], "title": ["I"], "category": [None], "text": [None]}).cast(pl.String)
    with pytest.raises(DataError, match="the column 'title' of the items must be String"):
        check_items(items.with_columns(title=pl.col("title").cast(pl.Enum(["I"]))))
