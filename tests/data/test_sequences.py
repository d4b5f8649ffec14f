"""Histories without times, in the forms that research code publishes."""

import json

import pytest
from sources import build, items, put
from typer.testing import CliRunner

from shortstack.cli import app
from shortstack.data.interactions import Interactions
from shortstack.data.splits import split
from shortstack.errors import ConfigurationError, DataError, RowError

PAIRS = "a x\na y\nb x\nb z\n"
HISTORIES = "1 10 11 12\n2 10 13\n"
OBJECT = '{"0":["10","11","12"],"1":["10","13"]}\n'


def pairs(records):
    """Return user and item, in order, and require that there is no rating or time."""
    table = records.interactions.collect()
    assert table["rating"].null_count() == table["timestamp"].null_count() == len(table)
    return table.select("user", "item").rows()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("user-item-lines.txt", PAIRS, [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z")]),
        ("user-then-items.txt", HISTORIES, [("1", "10"), ("1", "11"), ("1", "12"), ("2", "10"), ("2", "13")]),
        ("user-to-items.json", OBJECT, [("0", "10"), ("0", "11"), ("0", "12"), ("1", "10"), ("1", "13")]),
        ("tabs.tsv.gz", "1\t10\t11\r\n2\t10\r\n", [("1", "10"), ("1", "11"), ("2", "10")]),
        ("numbers.json", '{"7": [1, 2.0, "x"]}', [("7", "1"), ("7", "2"), ("7", "x")]),
        ("one.txt", "a x\nb y\n", [("a", "x"), ("b", "y")]),
        ("blanks-at-ends.txt", "1 10 11 \n2 \n3 10 \n", [("1", "10"), ("1", "11"), ("3", "10")]),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_every_layout(tmp_path, name, text, expected):
    """The order of the file is kept; leave-last works, global-time is refused; without the order the error says how."""
    records = build("sequences").read(put(tmp_path, **{name: text}) / name)
    made = Interactions.from_records(records, core=0, order="file")
    histories = {
        made.users[user]: [made.items["item"][item] for item in history.tolist()]
        for user, history in enumerate(split(made, "leave-last").upto("test"))
    }

    assert pairs(records) == expected
    assert histories == {user: [item for owner, item in expected if owner == user] for user, _ in expected}
    with pytest.raises(ConfigurationError, match="'global-time' compares the times of different users"):
        split(made, "global-time")
    with pytest.raises(DataError, match="set order = 'file' if the rows stand in the order of events"):
        split(Interactions.from_records(records, core=0), "leave-last")


@pytest.mark.parametrize(
    ("name", "text", "settings", "problem"),
    [
        ("a.txt", "a x\na y z\n", {}, ":2: the line should hold two ids, of a user and of an item, because some user is on several lines"),
        ("a.txt", "a x\nb\n", {}, ":2: the line should hold two ids, of a user and of an item; if lines hold whole histories, set layout = 'histories'"),
        ("a.txt", "a x y\nb z\n", {"layout": "pairs"}, ":1: the line should hold two ids, of a user and of an item"),
        ("a.txt", "a x y\n\nb z\n", {"layout": "histories"}, ":2: the line or an id in it is empty"),
        ("a.txt", "a x y\na z\n", {"layout": "histories"}, ":2: the user is on an earlier line, and should have one line"),
        ("a.txt", "a  x y\n", {}, ":1: the line or an id in it is empty"),
        ("a.txt", "a,x,\n", {"separator": ","}, ":1: the line or an id in it is empty"),
        ("a.txt", b"a x y\nb \xe9\n", {}, ":2: byte 0xe9 is not UTF-8"),
        ("a.json", '{"u": ["x"], "u": ["y"]}', {}, ":2: the user of this entry has an earlier one"),
        ("a.json", '{"u": ["x"], "v": "y"}', {}, ":2: the entry should be a user with a list of item ids, texts or whole numbers"),
        ("a.json", '{"u": [true]}', {}, ":1: the entry should be a user with a list of item ids, texts or whole numbers"),
        ("a.json", '{"u": [NaN]}', {}, ":1: the entry should be a user with a list of item ids, texts or whole numbers"),
        ("a.json", '{"": ["x"]}', {}, ":1: the entry should be a user with a list of item ids, texts or whole numbers"),
    ],
)  # fmt: skip
def test_bad_lines(tmp_path, name, text, settings, problem):
    """Bad lines are reported, or skipped and counted; no user is named."""
    source = put(tmp_path, **{name: text}) / name

    with pytest.raises(RowError) as caught:
        build("sequences", **settings).read(source)
    assert str(caught.value) == f"{source}{problem}"
    skipped = build("sequences", **settings, skip_bad_rows=True).read(source).skipped
    assert (skipped.rows, skipped.examples) == (1, (f"{source}{problem}",))


@pytest.mark.parametrize("text", ["1\t2,3,4\n2\t4,5\n", "1 [2, 3, 4]\n2 [5, 6]\n"])
def test_lists_on_lines_are_refused(tmp_path, text):
    """Lists are refused, not taken for ids with commas and brackets."""
    with pytest.raises(
        RowError, match=r":1: ids hold ',', '\[' or '\]', as if they were a list; if they are, set separator"
    ):
        build("sequences").read(put(tmp_path, **{"a.txt": text}) / "a.txt")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.json", '{"u": [', " is not JSON (line 1); it should be one object, {user: [items]}"),
        ("a.json", "[" * 100_000, " is not JSON; it should be one object, {user: [items]}"),
        ("a.json", '[["x"]]', " is no JSON object; it should be {user: [items]}"),
        ("a.txt", "\n\n", " is empty"),
    ],
)
def test_what_is_no_file_of_sequences(tmp_path, name, text, problem):
    """The error is one sentence."""
    source = put(tmp_path, **{name: text}) / name

    with pytest.raises(DataError) as caught:
        build("sequences").read(source)
    assert str(caught.value) == f"{source}{problem}"


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("t.json", '{"10": "Heat", "11": "Up", "13": null, "99": "Alien"}', {}),
        ("t.json", '{"10": {"name": "Heat"}, "11": {"name": "Up"}}', {"titles_title": "name"}),
        ("t.tsv", "item\ttitle\n10\tHeat\n11\tUp\n", {}),
        ("t.csv", 'id,name\n10,Heat\n11,"Up"\n', {"titles_item": "id", "titles_title": "name"}),
        ("t.txt", "Heat 10\nUp 11\n", {"titles_separator": " ", "titles_header": False, "titles_item": "2", "titles_title": "1"}),
        ("t.jsonl", '{"item": 10, "title": "Heat"}\n{"item": 11, "title": "Up"}\n', {}),
        ("t.csv", "item,title\n10.0,Heat\n11.0,Up\n", {}),
    ],
)  # fmt: skip
def test_titles_by_id(tmp_path, name, text, settings):
    """Titles come from a JSON object, a table with named or numbered columns, or JSON lines."""
    put(tmp_path, **{"a.txt": HISTORIES, name: text})
    records = build("sequences", titles=name, **settings).read(tmp_path / "a.txt")

    known = items(records)
    assert (known["10"], known["11"]) == (("Heat", None), ("Up", None))
    assert pairs(build("sequences", titles=name, **settings).read(tmp_path)) == pairs(records)


def test_titles_that_are_none(tmp_path):
    """An invalid title is reported with its entry."""
    put(tmp_path, **{"a.txt": HISTORIES, "t.json": '{"10": "Heat", "11": ["Up"]}'})

    with pytest.raises(RowError) as caught:
        build("sequences", titles="t.json").read(tmp_path / "a.txt")
    assert str(caught.value) == (
        f"{tmp_path / 't.json'}:2: the entry should be an item with its title, or with an object that has the title as 'title'"
    )


def test_an_official_split_in_two_files(tmp_path):
    """LightGCN's split, with id lists beside: train, then test; each user's last training item becomes valid."""
    put(
        tmp_path,
        **{"train.txt": "0 1 2 3\n1 4 5 6\n", "test.txt": "0 7\n1 \n", "item_list.txt": "org_id remap_id\n8975 0\n"},
    )
    records = build("sequences", layout="histories").read(tmp_path)
    sequences = split(Interactions.from_records(records, core=0, order="file"), "official")

    assert records.edition.name == tmp_path.name
    assert len(pairs(records)) == 7
    assert sorted(sequences.splits.tolist()) == [0, 0, 0, 0, 1, 1, 2]


def test_several_files(tmp_path):
    """Several files are ambiguous, so this is an error."""
    put(tmp_path, **{"Beauty.txt": HISTORIES, "Beauty_sample.txt": HISTORIES})

    with pytest.raises(DataError, match="holds several sequences data sets"):
        build("sequences").read(tmp_path)


def test_inspection_in_the_order_of_the_file(tmp_path):
    """Inspection with ``--order file`` shows the split's figures."""
    source = put(tmp_path, **{"a.txt": HISTORIES}) / "a.txt"
    call = ["data", "inspect", "sequences", str(source), "--core", "0", "--json"]
    with_order, without = (
        json.loads(CliRunner().invoke(app, [*call, *more]).output) for more in (["--order", "file"], [])
    )

    assert with_order["split"] == {"name": "leave-last", "train": 3, "valid": 1, "test": 1}
    assert without["no_split"].startswith("a split into train, valid and test needs the time of every interaction")
    refused = {
        "foo": "unknown order 'foo' (known: file, time)",
        "file": "the split 'global-time' compares the times of different users",
    }
    for order, problem in refused.items():
        result = CliRunner().invoke(app, [*call, "--order", order, "--split", "global-time"])
        assert str(result.exception).startswith(problem)
    assert with_order["remarks"] == ["none of the 4 items has a title; the source has none"]


PUBLISHED = [
    ("lightgcn-gowalla-test.txt", (29_858, None, 217_242)),
    ("sasrec-Video.txt", (31_013, 23_715, 287_107)),
    ("bert4rec-beauty.txt", (40_226, 54_542, 353_962)),
    ("s3rec-Beauty.txt", (22_363, 12_101, 198_502)),
    ("s3rec-LastFM.txt", (1_090, 3_646, 52_551)),
    ("s3rec-Toys_and_Games.txt", (19_412, 11_924, 167_597)),
    ("s3rec-Yelp.txt", (30_431, 20_033, 316_354)),
    ("p5-beauty-sequential_data.txt", (22_363, 12_101, 198_502)),
]


@pytest.mark.parametrize(("name", "sizes"), PUBLISHED)
def test_published_sizes(shared_data, name, sizes):
    """Users, items and interactions of files that are published with these figures (docs/results/sequences.md)."""
    source = shared_data / "sequences" / name
    if not source.is_file():
        pytest.skip(f"no {source}: docs/results/sequences.md says where to get it")
    made = Interactions.from_records(build("sequences").read(source), core=0, order="file")

    counts = (len(made.users), len(made.items), len(made))
    assert [actual for actual, size in zip(counts, sizes, strict=True) if size is not None] == [
        size for size in sizes if size is not None
    ]
