"""Histories without times, in the forms that research code publishes."""

import json

import pytest
from sources import build, items, put
from typer.testing import CliRunner

from shortstack.cli.commands import app
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
        ("colons.txt", "0: 10 11\n1: 10\n", [("0", "10"), ("0", "11"), ("1", "10")]),
        ("some-colons.txt", "0: 10 11\n1 10\n", [("0:", "10"), ("0:", "11"), ("1", "10")]),
        ("zeros.txt", "1 5 0 6\n2 0 0 7\n3 4 0 0\n", [(u, i) for u, *of in ("1506", "2007", "3400") for i in of]),
        ("a-zero.txt", "1 0 5 6\n2 0 6 7\n", [(u, i) for u, *of in ("1056", "2067") for i in of]),
        ("lengths.txt", "1 0 0 6\n2 5 7\n", [(u, i) for u, *of in ("1006", "257") for i in of]),
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
    ("name", "text"),
    [
        ("before.txt", "1 0 0 5 6\n2 7 8 9 5\n"),
        ("behind.txt", "1 5 6 0 0\n2 7 8 9 5\n"),
        ("both.txt", "1 0 5 0 0\n2 7 8 9 5\n3 0 0 0 0\n"),
        ("object.json", '{"1": [5, 6, 0, 0], "2": [7, 8, 9, 5]}'),
    ],
)
def test_lines_that_are_filled_up(tmp_path, name, text):
    """Zeros that fill histories up to one length are refused, and left out or kept as the setting says."""
    folder = put(tmp_path, **{name: text})

    with pytest.raises(DataError, match=r'begin or end with several items 0, .* set padding = "0" .* or padding = ""'):
        build("sequences").read(folder / name).interactions.collect()
    kept = pairs(build("sequences", padding="").read(folder / name))
    assert ("1", "0") in kept
    assert pairs(build("sequences", padding="0").read(folder / name)) == [pair for pair in kept if pair[1] != "0"]


@pytest.mark.parametrize("padding", ["-1", "<pad>", "0"])
@pytest.mark.parametrize("users", [4, 16])
def test_lines_filled_up_by_other_items(tmp_path, padding, users):
    """What fills up most of many histories is found, whatever it is called; in a few it may be an item."""
    lines = [
        [f"u{user}", *(f"i{item}" for item in range(1 + user % 4)), *[padding] * (3 - user % 4)]
        for user in range(users)
    ]
    put(tmp_path, **{"x.txt": "".join(" ".join(line) + "\n" for line in lines)})
    items = [(user, item) for user, *history in lines for item in history if item != padding]

    if padding == "0" or users > 10:
        with pytest.raises(
            DataError, match=rf'several items {padding}, .* set padding = "{padding}" to .* if {padding} is'
        ):
            build("sequences", layout="histories").read(tmp_path / "x.txt").interactions.collect()
    else:
        assert len(pairs(build("sequences", layout="histories").read(tmp_path / "x.txt"))) == 4 * users
    assert pairs(build("sequences", layout="histories", padding=padding).read(tmp_path / "x.txt")) == items


def test_users_who_return_at_the_end(tmp_path):
    """Histories of one length in which the usual last item also stands elsewhere, or is all there is, are not filled up."""
    for lines in (["a b b"] * 11 + ["a b c"], ["b b b"] * 12):
        put(tmp_path, **{"x.txt": "".join(f"u{user} {line}\n" for user, line in enumerate(lines))})
        assert len(pairs(build("sequences").read(tmp_path / "x.txt"))) == 36


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
