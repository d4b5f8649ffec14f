"""Files of users: every format gives the same users, and what is wrong is said with file and row."""

import json
import re

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortstack.batch.user_files import read_users, user_type
from shortstack.data.user_histories import UserHistory, user_history
from shortstack.errors import DataError, RowError, SourceNotFoundError, UnknownNameError

# CSV has no other way to say an empty text, and polars no half surrogate pairs
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def written(path, rows):
    """Rows of (user, items) in a file of the format that its name says."""
    if path.suffix == ".parquet":
        pl.DataFrame(rows, schema={"user": pl.String, "items": pl.List(pl.String)}, orient="row").write_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"items": i, "user": u}) + "\n" for u, i in rows), encoding="utf-8")
    else:
        frame = pl.DataFrame({"user": [u for u, _ in rows], "items": [json.dumps(i) for _, i in rows]})
        frame.write_csv(path, quote_style="always")
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=4)), min_size=1, max_size=5))
def test_all_formats_say_the_same(tmp_path, rows):
    """Whatever characters are in the names."""
    expected = [(user, tuple(items)) for user, items in rows]
    for ending in (".parquet", ".csv", ".jsonl"):
        read = [(one.user, one.items) for one in read_users(written(tmp_path / f"users{ending}", rows))]

        assert expected == read, ending


def test_items_in_a_text():
    """Ids between spaces, or JSON for titles."""
    assert ("i1", "i2") == user_history(1, "u", " i1  i2 ").items
    assert ("Heat (1995)", "7") == user_history(1, "u", '["Heat (1995)", 7]').items
    assert () == user_history(1, "u", "").items == user_history(1, "u", None).items == user_history(1, "u", []).items


def test_columns_and_types(tmp_path):
    """Whole numbers of Parquet stay, further columns are ignored, and a flag may be missing or empty."""
    path = tmp_path / "u.parquet"
    frame = pl.DataFrame({"exclude_seen": [None, True], "x": [0, 0], "items": [[1, 2], [3]], "user": [7, 8]})
    frame.cast({"user": pl.UInt16}).write_parquet(path)

    assert pl.UInt16() == user_type(path)
    assert [
        UserHistory(row=1, user=7, items=("1", "2")),
        UserHistory(row=2, user=8, items=("3",), exclude_seen=True),
    ] == list(read_users(path))

    (tmp_path / "u.csv").write_text("\ufeffuser,items,exclude_seen\n1,a,\n\n2,b,False\n", encoding="utf-8")
    assert pl.String() == user_type(tmp_path / "u.csv")
    assert [("1", None), ("2", False)] == [(one.user, one.exclude_seen) for one in read_users(tmp_path / "u.csv")]


@pytest.mark.parametrize(
    ("text", "row", "problem"),
    [
        ('{"user": 1, "items": ["a"]}\n{"user": 2,\n', 2, "it is no JSON (Expecting property name"),
        ("\n[1]\n", 2, "it must be an object with 'user' and 'items', got list"),
        ('{"user": null, "items": []}\n', 1, "user must be a text or a whole number, got None"),
        ('{"user": "", "items": []}\n', 1, "user must be a text or a whole number, got ''"),
        ('{"user": 1.5, "items": []}\n', 1, "user must be a text or a whole number, got 1.5"),
        ('{"user": 1, "items": {"a": 1}}\n', 1, "items must be a list of titles or ids, got {'a': 1}"),
        ('{"user": 1, "items": ["a", 1.5]}\n', 1, "items must hold titles or ids, texts or whole numbers, got 1.5"),
        ('{"user": 1, "items": ["a", null]}\n', 1, "items must hold titles or ids, texts or whole numbers, got None"),
        ('{"user": 1, "items": [true]}\n', 1, "items must hold titles or ids, texts or whole numbers, got True"),
        ('{"user": 1, "items": [], "exclude_seen": "no"}\n', 1, "exclude_seen must be true or false, got 'no'"),
        ('{"user": 1, "items": ' + "[" * 100_000 + "\n", 1, "it is no JSON ("),
        ('{"user": 1, "items": ["a"], "items": ["b"]}\n', 1, "the key 'items' is there 2 times; leave the right one"),
        (b'{"user": "\xff"}\n', 1, "it is not UTF-8 text ("),
    ],
)
def test_bad_json_lines(tmp_path, text, row, problem):
    """By file and line."""
    path = tmp_path / "u.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RowError, match=re.escape(f"{path}:{row}: {problem}")):
        list(read_users(path))


@pytest.mark.parametrize(
    ("text", "row", "problem"),
    [
        ("user,items\n1,a,b\n", 2, "there are 3 fields, but 2 columns"),
        ('user,items\n1,"a\n', 2, "unexpected end of data; give JSON lines or Parquet"),
        ('user,items\n1,"[1"\n', 2, "Expecting ',' delimiter"),
    ],
)
def test_bad_csv(tmp_path, text, row, problem):
    """By file and line."""
    path = tmp_path / "u.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RowError, match=re.escape(f"{path}:{row}: {problem}")):
        list(read_users(path))


def test_a_line_without_an_end(tmp_path, monkeypatch):
    """It cannot fill the memory."""
    monkeypatch.setattr("shortstack.batch.user_files._LONGEST", 100)
    path = tmp_path / "u.jsonl"
    path.write_text(" " * 100)
    with pytest.raises(RowError, match=re.escape(f"{path}:1: a line may have 100 bytes")):
        list(read_users(path))


def test_bad_rows_of_parquet(tmp_path):
    """Rows are counted from 1, over all that is read at a time."""
    path = tmp_path / "u.parquet"
    pl.DataFrame({"user": ["a"] * 1_500 + [None], "items": [["x"]] * 1_501}).write_parquet(path)
    with pytest.raises(RowError, match=re.escape(f"{path}:1501: user must be a text or a whole number, got None")):
        list(read_users(path))


def test_files_that_are_none(tmp_path):
    """By name, kind, and columns."""
    for ending in (".parquet", ".csv", ".jsonl"):
        path = tmp_path / f"u{ending}"
        with pytest.raises(SourceNotFoundError, match="is not there, or is no file; name a file of users"):
            list(read_users(path))
    with pytest.raises(UnknownNameError, match=r"unknown ending of the file of users .*u.txt: '.txt'.*known: .csv"):
        list(read_users(tmp_path / "u.txt"))
    (tmp_path / "u.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"u.parquet cannot be read as its name says \("):
        list(read_users(tmp_path / "u.parquet"))
    with pytest.raises(DataError, match=r"u.parquet is no Parquet file \("):
        user_type(tmp_path / "u.parquet")
    (tmp_path / "u.csv").write_text("user,item\n")
    with pytest.raises(
        DataError, match=r"u.csv has no column 'items' \(its columns: user, item\); it needs 'user' and"
    ):
        list(read_users(tmp_path / "u.csv"))
    for columns, twice in (("user,items,user", "user"), ("user,items,items", "items")):
        (tmp_path / "u.csv").write_text(f"{columns}\n1,a,b\n")
        with pytest.raises(
            DataError, match=rf"u.csv has 2 columns '{twice}'; leave the right one, and rename the others"
        ):
            list(read_users(tmp_path / "u.csv"))
    (tmp_path / "u.csv").write_text("")
    with pytest.raises(DataError, match=r"u.csv has no column 'user' \(its columns: none\)"):
        list(read_users(tmp_path / "u.csv"))


def test_half_of_a_surrogate_pair(tmp_path):
    """Is said in the check, and not when the first part is written; both halves are a letter."""
    file = tmp_path / "u.jsonl"
    file.write_text('{"user": "\\ud83d\\ude00", "items": ["a"]}\n')
    assert ["\U0001f600"] == [history.user for history in read_users(file)]
    file.write_text('{"user": "a\\ud83d", "items": ["a"]}\n')
    with pytest.raises(RowError, match=r"u.jsonl:1: user must be text that UTF-8 can hold, .*; write both halves"):
        list(read_users(file))
