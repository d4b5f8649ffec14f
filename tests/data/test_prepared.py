"""Prepared sequences: Parquet shards, and Hugging Face data sets on the disk."""

import shutil

import datasets
import polars as pl
import pytest
from documents import blocks
from sources import DAY, build, items, rows
from typer.testing import CliRunner

from shortstack import Run
from shortstack.cli.commands import app
from shortstack.errors import DataError, RowError, SourceNotFoundError

USERS = {
    "user": ["a", "b", "c"],
    "items": [[10, 11], [12], [10, 12]],
    "ratings": [[4.0, 5.0], [1.0], [2.0, 3.0]],
    "timestamps": [[86_400, 172_800], [0], [0, 86_400]],
}
EXPECTED = [("a", "10", 4.0, 1), ("a", "11", 5.0, 2), ("b", "12", 1.0, 0), ("c", "10", 2.0, 0), ("c", "12", 3.0, 1)]
FIRST, SECOND = "part-2.parquet", "part-10.parquet"


@pytest.fixture
def shards(tmp_path):
    """Two shards, whose numbers are not in the order of letters, what Spark leaves beside them, and titles."""
    frame = pl.DataFrame(USERS)
    frame[:2].write_parquet(tmp_path / FIRST)
    frame[2:].write_parquet(tmp_path / SECOND)
    for name in ("_SUCCESS", ".part-2.parquet.crc"):
        (tmp_path / name).write_bytes(b"")
    pl.DataFrame({"item": [10, 99], "title": ["Heat", "Alien"]}).write_parquet(tmp_path / "items.parquet")
    return tmp_path


def write(folder, **columns):
    """Write one shard, its columns replaced by others, or left out where they are None."""
    named = {name: values for name, values in (USERS | columns).items() if values is not None}
    pl.DataFrame(named, strict=False).write_parquet(folder / FIRST)
    return folder


def test_shards_are_one_table(shards):
    """In the order of their numbers; titles come from the table beside them, or above their folder."""
    records = build("prepared").read(shards)
    (shards / "sequences").mkdir()
    for name in (FIRST, SECOND):
        (shards / name).rename(shards / "sequences" / name)
    below = build("prepared").read(shards)

    assert rows(records) == rows(below) == EXPECTED
    assert items(records) == items(below) == {"10": ("Heat", None), "99": ("Alien", None)}
    assert records.edition.facts == {"rows": 5}


def test_one_file_and_an_archive(shards, tmp_path_factory):
    """A source may be one shard, or a zip archive of all of them."""
    archive = shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "all"), "zip", shards)

    assert rows(build("prepared").read(shards / SECOND)) == EXPECTED[3:]
    assert rows(build("prepared").read(archive)) == EXPECTED
    assert items(build("prepared").read(archive))["10"] == ("Heat", None)


def test_columns_of_other_names_and_types(tmp_path):
    """Lists of a fixed length, and times as dates; the settings name the columns."""
    frame = pl.DataFrame(USERS).select(
        uid="user",
        seen=pl.Series([["x", "y"], ["z", "x"], ["y", "z"]], dtype=pl.Array(pl.String, 2)),
        at=pl.Series([[DAY, 2 * DAY]] * 3, dtype=pl.List(pl.Datetime("ms"))),
    )
    frame.write_parquet(tmp_path / "a.parquet")
    read = rows(build("prepared", user="uid", items="seen", timestamps="at", ratings=None).read(tmp_path))

    pairs = [("a", "x"), ("a", "y"), ("b", "z"), ("b", "x"), ("c", "y"), ("c", "z")]
    assert read == [(user, item, None, 1 + place % 2) for place, (user, item) in enumerate(pairs)]


def test_lists_alone(tmp_path):
    """Neither ratings nor times; a user without items has none, and a user's rows are joined."""
    write(tmp_path, user=["a", "b", "a"], items=[[10], [], [11]], ratings=None, timestamps=None)

    assert rows(build("prepared").read(tmp_path)) == [("a", "10", None, None), ("a", "11", None, None)]


@pytest.mark.parametrize(
    ("columns", "problem", "left"),
    [
        ({"user": ["a", "", "c"]}, "2: user is empty; it should be a name", 4),
        ({"items": [[10, 11], None, [10, 12]]}, "2: items holds no list, and ratings 1 values", 4),
        ({"items": [[10, 11], [12], [10, None]]}, "3: items is empty; it should be a name", 4),
        ({"ratings": [[4.0], [1.0], [2.0, 3.0]]}, "1: items holds 2 values, and ratings 1 values", 3),
        ({"timestamps": [[1, 2], None, [3, 4]]}, "2: items holds 1 values, and timestamps no list", 4),
        ({"ratings": [[4.0, float("nan")], [1.0], [2.0, 3.0]]}, "1: ratings 'NaN' is not a number", 4),
        ({"timestamps": [["1", "2"], ["soon"], ["3", "4"]]}, "2: timestamps 'soon' is not a time in seconds", 4),
    ],
)
def test_bad_rows(tmp_path, columns, problem, left):
    """The error names file, row and value; or what is bad is skipped and counted. No user is named."""
    place = f"{write(tmp_path, **columns) / FIRST}:{problem}"

    with pytest.raises(RowError) as caught:
        build("prepared").read(tmp_path)
    assert str(caught.value) == place
    records = build("prepared", skip_bad_rows=True).read(tmp_path)
    assert (records.skipped.rows, records.skipped.examples) == (1, (place,))
    assert len(rows(records)) == left


@pytest.mark.parametrize(
    ("columns", "settings", "problem"),
    [
        ({"items": None}, {}, "part-2.parquet has no column 'items' for item; it has: user, ratings, timestamps"),
        ({}, {"ratings": "stars"}, "part-2.parquet has no column 'stars' for rating; it has: user, items, ratings"),
        ({"items": ["1 2", "3", "4"]}, {}, "the column 'items' holds String, and it should hold a list for each user; a table"),
        ({}, {"items_file": "titles.parquet"}, "titles.parquet is not there"),
        ({}, {"files": "*.pq"}, "holds no file called '*.pq'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(tmp_path, columns, settings, problem):
    """The error is one sentence that names the file and what is missing."""
    write(tmp_path, **columns)
    with pytest.raises(DataError) as caught:
        build("prepared", **settings).read(tmp_path)

    assert problem in str(caught.value)


def test_shards_that_differ(shards):
    """What the first shard has, all must have."""
    pl.DataFrame(USERS).drop("ratings").write_parquet(shards / SECOND)
    with pytest.raises(DataError, match=r"part-10\.parquet has no column 'ratings' for rating; it has: user, items"):
        build("prepared").read(shards)


def test_saved_data_sets(tmp_path, monkeypatch):
    """``save_to_disk`` of a data set, and of one with splits; errors number rows over all batches."""
    monkeypatch.setattr("shortstack_datasets.reading.saved._ROWS", 2)
    whole = datasets.Dataset.from_dict(USERS)
    whole.save_to_disk(tmp_path / "whole")
    parts = datasets.DatasetDict({"train": whole.select([0, 1]), "test": whole.select([2])})
    parts.save_to_disk(tmp_path / "parts")
    datasets.Dataset.from_dict(USERS | {"user": ["a", "b", ""]}).save_to_disk(tmp_path / "bad")

    assert rows(build("prepared").read(tmp_path / "whole")) == EXPECTED
    assert rows(build("prepared").read(tmp_path / "parts")) == EXPECTED[:3]
    assert rows(build("prepared", split="train+test").read(tmp_path / "parts")) == EXPECTED
    with pytest.raises(DataError, match=r"parts has no split 'valid'; it has: train, test \(set split\)"):
        build("prepared", split="valid").read(tmp_path / "parts")
    with pytest.raises(RowError, match="bad:3: user is empty"):
        build("prepared").read(tmp_path / "bad")


def test_classes_of_a_saved_data_set(tmp_path):
    """Items and ratings that are classes count by their names, and not by the numbers in the file."""
    films, stars = datasets.ClassLabel(names=["10", "11", "12"]), datasets.ClassLabel(names=["1", "2", "3", "4", "5"])
    codes = {"items": [[0, 1], [2], [0, 2]], "ratings": [[3, 4], [0], [1, 2]]}
    plain = datasets.Dataset.from_dict(USERS).features
    features = datasets.Features(plain | {"items": datasets.List(films), "ratings": datasets.List(stars)})
    datasets.Dataset.from_dict(USERS | codes, features=features).save_to_disk(tmp_path / "classes")

    assert rows(build("prepared").read(tmp_path / "classes")) == EXPECTED


def test_a_saved_data_set_without_rows(tmp_path):
    """It is said, and no library's error about an index."""
    datasets.Dataset.from_dict(USERS).select([]).save_to_disk(tmp_path / "empty", num_shards=1)
    with pytest.raises(DataError, match="empty holds no rows; give users"):
        build("prepared").read(tmp_path / "empty")


def test_a_saved_data_set_that_is_damaged(tmp_path):
    """Refused in one sentence."""
    datasets.Dataset.from_dict(USERS).save_to_disk(tmp_path / "damaged")
    (tmp_path / "damaged" / "state.json").write_text("{}")

    with pytest.raises(DataError, match="damaged cannot be read as a Hugging Face data set: "):
        build("prepared").read(tmp_path / "damaged")


def test_a_data_set_by_its_name(shards, tmp_path_factory, monkeypatch):
    """A local folder, loaded as ``datasets.load_dataset`` does; one that is nowhere; none is loaded to detect it."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    (shards / "items.parquet").rename(shards.parent / "titles.parquet")
    titles = str(shards.parent / "titles.parquet")
    records = build("prepared", items_file=titles).read(f"hf:{shards}")

    assert sorted(rows(records)) == EXPECTED
    assert items(records)["10"] == ("Heat", None)
    assert build("prepared").detect("hf:someone/histories").name == "histories"
    with pytest.raises(SourceNotFoundError, match="nowhere is no data set that can be found: "):
        build("prepared").read(f"hf:{shards}/nowhere")
    for name in (FIRST, SECOND):
        pl.DataFrame(USERS).clear().write_parquet(shards / name)
    with pytest.raises(
        DataError, match='cannot be read as a Hugging Face data set: Instruction "train" corresponds to no data!'
    ):
        build("prepared").read(f"hf:{shards}")


def test_the_page(tmp_path, monkeypatch):
    """Its script writes shards, its command inspects them, and its settings are those of a run that prepares them."""
    monkeypatch.chdir(tmp_path)
    script, command, settings, by_name = blocks("docs/large-data.md")
    exec(script.code, {})  # noqa: S102 -- our own page
    shown = CliRunner().invoke(app, command.code.split()[1:])
    (tmp_path / settings.info).write_text(settings.code)
    Run.from_toml(settings.info).prepare(tmp_path / "run")

    assert shown.exit_code == 0, shown.output
    assert len(rows(build("prepared").read("histories"))) == 9
    assert (tmp_path / "run" / "data" / "items.jsonl").read_text().count("\n") == 3
    assert "hf:someone/histories" in by_name.code
