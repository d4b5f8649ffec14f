"""``shortstack data inspect``: figures of the source and of what is left, for people and for programs."""

import json

import pytest

from shortstack.cli import main

ROWS = [
    ("u1", "a", 4.0, 0),
    ("u1", "b", 3.5, 0),
    ("u1", "a", 1.0, 86_400),
    ("u2", "b", 4.0, 86_400),
    ("u3", "c", 4.0, 9),
]
SETTINGS = ["--set", "rating=rating", "--set", "timestamp=time", "--set", "title=name"]


@pytest.fixture
def source(tmp_path):
    """A small table."""
    path = tmp_path / "a.csv"
    lines = [f"{u},{i},{r},{t},{'Alpha' if i == 'a' else ''}" for u, i, r, t in ROWS]
    path.write_text("\n".join(["user,item,rating,time,name", *lines]) + "\n", encoding="utf-8")
    return path


def call(*arguments, capsys):
    """Exit code, output, errors."""
    with pytest.raises(SystemExit) as ended:
        main(["data", "inspect", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def test_figures_for_programs(source, capsys):
    """The JSON holds everything that is printed, and more."""
    code, out, _ = call("table", source, *SETTINGS, "--core", "2", "--json", capsys=capsys)

    assert code == 0
    assert json.loads(out) == {
        "edition": "a.csv",
        "facts": {"rows": 5},
        "users": 3,
        "items": 3,
        "interactions": 5,
        "density": pytest.approx(5 / 9),
        "ratings": {"1": 1, "3.5": 1, "4": 3},
        "first": "1970-01-01T00:00:00+00:00",
        "last": "1970-01-02T00:00:00+00:00",
        "tied_consecutive_share": 0.5,
        "duplicate_pairs": 1,
        "listed_items": 3,
        "titled_share": pytest.approx(1 / 3),
        "skipped": {"rows": 0, "examples": []},
        "remarks": [
            "every time lies before 1980, the last on 1970-01-02: are they times, and in the unit or the form that is set?"
        ],
        "prepared": {"users": 1, "items": 1, "interactions": 2, "density": 2.0},
        "split": {"name": "leave-last", "train": 2, "valid": 0, "test": 0},
    }


def test_figures_for_people(source, capsys):
    """Each figure is one line, and no user is named."""
    code, out, _ = call("table", source, *SETTINGS, "--core", "0", capsys=capsys)

    assert code == 0
    for text in (
        "3 (3 described, 33.3% with a title)",
        "1: 1, 3.5: 1, 4: 3",
        "leave-last gives",
        "train: 3, valid: 1, test: 1",
    ):
        assert text in out
    assert "u1" not in out


def test_bad_rows(source, capsys):
    """An error with its line, or a count with the first of them."""
    source.write_text(source.read_text("utf-8").replace("3.5", "x"), encoding="utf-8")
    code, _, err = call("table", source, *SETTINGS, capsys=capsys)
    assert code == 2
    assert err.startswith(f"error: {source}:3: rating 'x' is not a number")

    code, out, _ = call("table", source, *SETTINGS, "--skip-bad-rows", "--core", "0", "--json", capsys=capsys)
    assert code == 0
    assert json.loads(out)["skipped"] == {"rows": 1, "examples": [f"{source}:3: rating 'x' is not a number"]}


@pytest.mark.parametrize(
    ("options", "key", "text"),
    [
        (["--core", "9"], "nothing_left", "no interactions are left after the 9-core"),
        (["--core", "0", "--split", "official"], "no_split", "a.csv has no official split"),
        (["--core", "0", "--set", "timestamp=none"], "no_split", "needs the time of every interaction"),
    ],
)
def test_what_the_filters_leave_may_be_nothing(source, capsys, options, key, text):
    """An empty result is reported, and is no failure."""
    code, out, _ = call("table", source, *SETTINGS, *options, "--json", capsys=capsys)
    report = json.loads(out)

    assert code == 0
    assert report["interactions"] == 5
    assert text in report[key]


def test_many_ratings_are_summed_up(tmp_path, capsys):
    """Many distinct ratings, such as play counts, are summarised."""
    (tmp_path / "user_artists.dat").write_text(
        "userID\tartistID\tweight\n" + "".join(f"1\t{n}\t{n}\n" for n in range(1, 31)), encoding="utf-8"
    )
    (tmp_path / "artists.dat").write_text("id\tname\turl\tpictureURL\n1\tA\t\t\n", encoding="utf-8")
    _, out, _ = call("lastfm", tmp_path, "--json", capsys=capsys)

    assert json.loads(out)["ratings"] == {"distinct": 30, "min": 1.0, "median": 15.5, "max": 30.0}
    assert json.loads(out)["first"] is None


def test_not_there(tmp_path, capsys):
    """The error is one line."""
    code, _, err = call("movielens", tmp_path / "nowhere", capsys=capsys)

    assert code == 2
    assert err.startswith(
        f"error: {tmp_path / 'nowhere'} is not there; give a folder or a zip archive; in dataset adapter"
    )
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("adapter", "folder", "users", "items", "interactions"),
    [("movielens", "movielens/ml-100k", 943, 1_682, 100_000), ("yelp", "yelp/2015-boston", 1_502, 1_238, 5_372)],
)
def test_real_folders(shared_data, capsys, adapter, folder, users, items, interactions):
    """Figures equal those of the data's README."""
    _, out, _ = call(adapter, shared_data / folder, "--json", capsys=capsys)
    report = json.loads(out)

    assert (report["users"], report["items"], report["interactions"]) == (users, items, interactions)
    assert report["split"]["test"] > 0
