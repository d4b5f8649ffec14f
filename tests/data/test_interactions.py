"""From records to numbered, ordered interactions: round trip, row order, splits, and every error."""

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortstack.contracts import Edition, Records
from shortstack.data.hashing import mixed, seeded_hashes
from shortstack.data.interactions import Interactions, tied_share
from shortstack.errors import DataError, EmptyDataError

SCHEMA = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
LATE = 1_400_000_000_000
"""A time in milliseconds, in 2014."""
ROW = st.tuples(
    st.sampled_from(["ann", "bob", "7", "007", "é"]),
    st.sampled_from(["x", "y", "z", "7", "w v"]),
    st.sampled_from([0.5, 3.0, 5.0]),
    st.integers(0, 3),
)
ROWS = st.lists(ROW, min_size=1, max_size=40)


def records(rows, items=None):
    """Return records with these rows of user, item, rating, timestamp."""
    described = {"item": pl.String, "title": pl.String, "category": pl.String, "text": pl.String}
    return Records(
        interactions=pl.DataFrame(rows, schema=SCHEMA, orient="row").lazy(),
        items=pl.DataFrame(items or [], schema=described, orient="row").lazy(),
        edition=Edition(name="test"),
    )


def content(interactions):
    """Return a dataset's whole content as bytes."""
    columns = [interactions.table[name].to_numpy().tobytes() for name in interactions.table.columns]
    return [*columns, interactions.users.to_list(), interactions.items.rows()]


def decoded(interactions):
    """Return the rows with their external ids."""
    users, items = interactions.users.to_list(), interactions.items["item"].to_list()
    return [(users[u], items[i], r, t) for u, i, r, t in interactions.table.rows()]


@given(ROWS, st.sampled_from(["keep", "first", "last"]), st.randoms(use_true_random=False))
def test_row_order_does_not_matter(rows, duplicates, random):
    """Shuffled rows give the same dataset, byte for byte."""
    shuffled = random.sample(rows, len(rows))

    expected, actual = (
        Interactions.from_records(records(order), core=0, duplicates=duplicates) for order in (rows, shuffled)
    )

    assert content(expected) == content(actual)


@given(ROWS)
def test_ids_are_dense_and_decode_to_the_input(rows):
    """Ids are numbered 0 … n−1, and nothing is lost or invented."""
    made = Interactions.from_records(records(rows), core=0)

    assert sorted(set(made.table["user"])) == list(range(len(made.users)))
    assert sorted(set(made.table["item"])) == list(range(len(made.items)))
    assert Counter(decoded(made)) == Counter(rows)


@given(ROWS)
def test_users_follow_each_other_oldest_first(rows):
    """The table is sorted by user, then time."""
    made = Interactions.from_records(records(rows), core=0).table.select("user", "timestamp").rows()

    assert made == sorted(made)


@given(ROWS, st.sampled_from(["first", "last"]))
def test_one_row_a_pair_is_left(rows, duplicates):
    """``first`` and ``last`` go by time, and by rating where times are equal."""
    made = Interactions.from_records(records(rows), core=0, duplicates=duplicates)

    choose = min if duplicates == "first" else max
    expected = {
        pair: choose((t, r) for *p, r, t in rows if tuple(p) == pair) for pair in {(u, i) for u, i, _, _ in rows}
    }
    assert {(u, i): (t, r) for u, i, r, t in decoded(made)} == expected


@given(ROWS)
def test_file_ties_keep_the_order_of_the_file(rows):
    """With ``ties="file"`` each user's rows are stably sorted by time."""
    made = Interactions.from_records(records(rows), core=0, ties="file")

    for user in made.users:
        expected = sorted((row for row in rows if row[0] == user), key=lambda row: row[3])
        assert [row for row in decoded(made) if row[0] == user] == expected


@settings(max_examples=20)
@given(ROWS, st.integers(2, 3))
def test_every_user_and_item_left_has_enough(rows, core):
    """What is left is what is left when rows of rare users and items are dropped until there are none."""
    left = rows
    while True:
        users, items = Counter(row[0] for row in left), Counter(row[1] for row in left)
        enough = [row for row in left if users[row[0]] >= core and items[row[1]] >= core]
        if enough == left:
            break
        left = enough
    if not left:
        with pytest.raises(EmptyDataError, match="core"):
            Interactions.from_records(records(rows), core=core)
    else:
        assert sorted(decoded(Interactions.from_records(records(rows), core=core))) == sorted(left)


def test_another_seed_is_another_numbering():
    """Users, items and ties all follow the seed."""
    rows = [(f"u{u}", f"i{i}", 1.0, 0) for u in range(10) for i in range(10)]
    first, second = (Interactions.from_records(records(rows), seed=seed) for seed in (0, 1))

    assert first.users.to_list() != second.users.to_list()
    assert first.items["item"].to_list() != second.items["item"].to_list()


def test_ties_do_not_follow_item_numbers():
    """Each user's tied items come in an order of their own, not by item number: that order would leak."""
    rows = [(f"u{u}", f"i{i}", 1.0, 0) for u in range(200) for i in range(20)]
    table = Interactions.from_records(records(rows)).table

    orders = table["item"].to_numpy().reshape(200, 20)
    assert len({tuple(order) for order in orders}) == 200
    # Half of all neighbours ascend if order is random: 3,800 draws, three standard errors are 0.025.
    assert np.mean(np.diff(orders) > 0) == pytest.approx(0.5, abs=0.03)


def test_hashes_do_not_depend_on_the_process(tmp_path):
    """Another PYTHONHASHSEED gives the same hashes."""
    code = "from shortstack.data.hashing import seeded_hashes as s; print(s(['a', 'é'], kind='user', seed=3).tolist())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert outputs == {f"{seeded_hashes(['a', 'é'], kind='user', seed=3).tolist()}\n"}


def test_hashes_are_pinned():
    """A changed hash renumbers every dataset ever made: these two were written down on the day it was chosen."""
    assert seeded_hashes(["1"], kind="item", seed=0).tolist() == [7246515748968443988]
    assert mixed(np.array([1], dtype=np.uint64), np.array([2], dtype=np.uint64)).tolist() == [13608149317741381227]


def test_users_and_items_of_one_name_differ():
    """Namespaces keep user 7 and item 7 apart."""
    assert seeded_hashes(["7"], kind="user", seed=0).tolist() != seeded_hashes(["7"], kind="item", seed=0).tolist()


def test_items_carry_their_titles_and_may_have_none():
    """Items that are listed but never chosen are left out; chosen ones that are not listed have no title."""
    made = Interactions.from_records(
        records([("u", "a", 1.0, 0), ("u", "b", 1.0, 1)], items=[("a", "A", "C", None), ("z", "Z", None, None)]), core=0
    )

    assert sorted(made.items.rows()) == [("a", "A", "C"), ("b", None, None)]
    assert sorted((item.id, item.title, item.category) for item in made.catalogue().items) == [
        ("a", "A", "C"),
        ("b", "", ""),
    ]
    assert made.catalogue(first_token=5).tokens == [5, 6]


def test_facts_are_counted_and_are_json():
    """Counts of a table small enough to count by hand."""
    rows = [("u", "a", 5.0, 1_000), ("u", "a", 4.0, 1_000), ("u", "b", 3.0, 9_000), ("v", "b", 1.0, 2_000)]
    facts = Interactions.from_records(records(rows), core=0, min_rating=2.0).facts()

    assert json.loads(json.dumps(facts)) == {
        "edition": "test",
        "interactions_read": 4,
        "bad_rows_skipped": 0,
        "bad_rows_first": None,
        "remarks": "every time lies before 1980, the last on 1970-01-01: are the"
        "y times, and in the unit or the form that is set?; "
        "none of the 2 items has a title; the source has none",
        "interactions": 3,
        "users": 1,
        "items": 2,
        "density": 1.5,
        "interactions_per_user_median": 3.0,
        "interactions_per_user_max": 3.0,
        "duplicate_pairs": 1,
        "tied_consecutive_share": 0.5,
        "items_without_title": 2,
        "first_time": "1970-01-01T00:00:01+00:00",
        "last_time": "1970-01-01T00:00:09+00:00",
        "seed": 0,
        "core": 0,
        "min_rating": 2.0,
        "since": None,
        "until": None,
        "sample_users": None,
        "last_n": None,
        "duplicates": "keep",
        "ties": "hash",
        "order": "time",
    }


def test_facts_without_times_say_so():
    """Facts about missing times are None."""
    facts = Interactions.from_records(records([("u", "a", None, None), ("u", "b", None, None)]), core=0).facts()

    assert (facts["tied_consecutive_share"], facts["first_time"], facts["last_time"]) == (None, None, None)


@pytest.mark.parametrize(
    ("ratings", "problem"),
    [([3.0] * 21, "has only the rating 3"), (range(21), "has 21 different ones, such as counts have")],
    ids=["one", "many"],
)
def test_ratings_that_are_no_scale(ratings, problem):
    """A rating scale needs at least two values, and not too many."""
    made = Interactions.from_records(
        records([(f"u{n}", f"i{n % 2}", float(rating), n) for n, rating in enumerate(ratings)]), core=0
    )
    with pytest.raises(DataError, match=f"chooses among 2 to 20 ratings, but test {problem}; use the task 'next-item'"):
        made.rated()


def test_no_user_id_is_ever_printed():
    """Neither facts nor representations nor the error about emptiness hold a user's name."""
    made = Interactions.from_records(records([("secret", "a", 1.0, 0)]), core=0)

    assert "secret" not in f"{made!r}{made.facts()}"
    with pytest.raises(EmptyDataError) as caught:
        Interactions.from_records(records([("secret", "a", 1.0, 0)]))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (
            [("u", "a", 1.0, 0)],
            {},
            "no interactions are left after the 5-core (core = 5) of 1 interactions; lower core or use more data",
        ),
        (
            [("u", "a", 1.0, 0)],
            {"core": 0, "min_rating": 4},
            (
                "no interactions are left after the 0-core (core = 0) of 1 interactions, of which 0 have a rating of at least "
                "4; lower core or use more data"
            ),
        ),
        (
            [("u", "a", None, 0)],
            {"min_rating": 4},
            "min_rating = 4 needs ratings, but 1 of 1 interactions have none; leave min_rating out",
        ),
        (
            [("u", "a", 1.0, 0), (None, "a", 1.0, 0)],
            {},
            "the column 'user' of the interactions is empty in row 2; every row needs one",
        ),
        ([("u", "", 1.0, 0)], {}, "the column 'item' of the interactions is empty in row 1; every row needs one"),
        ([("u", "a", float("nan"), 0)], {}, "rating nan in row 1 of the interactions is no finite number"),
        (
            [("u", "a", 1.0, None)],
            {"core": 0, "duplicates": "last"},
            (
                "duplicates = 'last' needs the time of every interaction, but 1 of 1 have none; use duplicates = 'keep', or "
                "set order = 'file' if the rows stand in the order of events"
            ),
        ),
    ],
)
def test_bad_rows_are_refused(rows, arguments, message):
    """Bad rows are refused, each with its exact message."""
    with pytest.raises(DataError) as caught:
        Interactions.from_records(records(rows), **arguments)

    assert str(caught.value) == message


def test_bad_columns_are_refused():
    """A missing column and one of another type are errors of the adapter, said in one sentence."""
    frame = records([("u", "a", 1.0, 0)]).interactions
    for broken, message in [
        (frame.drop("rating"), "the interactions have no column 'rating' (they have: user, item, timestamp)"),
        (
            frame.cast({"user": pl.Int64}, strict=False),
            "the column 'user' of the interactions must be String, not Int64",
        ),
    ]:
        with pytest.raises(DataError) as caught:
            Interactions.from_records(Records(interactions=broken, items=frame, edition=Edition(name="x")))
        assert str(caught.value) == message


def test_repeated_items_are_refused():
    """The contract says that an item is listed once."""
    with pytest.raises(DataError, match="the table of items must name each item once, and has repeated or empty ids"):
        Interactions.from_records(
            records([("u", "a", 1.0, 0)], items=[("a", "A", None, None), ("a", "B", None, None)]), core=0
        )


def test_tied_share_of_strangers_is_undefined():
    """Two users with one interaction each have no consecutive events."""
    assert tied_share(pl.DataFrame({"user": [0, 1], "timestamp": [5, 5]})) is None


@pytest.mark.parametrize(
    ("rows", "remark"),
    [
        (
            [("u", "7", 1.0, LATE), ("v", "007", 1.0, LATE), ("v", "8", 1.0, LATE)],
            (
                "1 item ids differ from others only in leading zeros, in blanks around them or in how Unicode writes them, such as '007' and '7': they "
                "count as different items"
            ),
        ),
        (
            [("u", "a", 1.0, LATE), ("u", "a ", 1.0, LATE), ("u", "\ta", 1.0, LATE)],
            (
                "2 item ids differ from others only in leading zeros, in blanks around them or in how Unicode writes them, such as '\\ta' and 'a': they "
                "count as different items"
            ),
        ),
        (
            [("secret", "a", 1.0, LATE), ("secret ", "a", 1.0, LATE)],
            (
                "1 user ids differ from others only in leading zeros, in blanks around them or in how Unicode writes them: they "
                "count as different users"
            ),
        ),
        (
            [("u", "e\u0301", 1.0, LATE), ("u", "\u00e9", 1.0, LATE), ("u", "\u200be\u0301", 1.0, LATE)],
            (
                "2 item ids differ from others only in leading zeros, in blanks around them or in how Unicode writes them, "
                "such as 'e\u0301' and '\u00e9': they count as different items"
            ),
        ),
        (
            [("u", "1.23457E+12", 1.0, LATE), ("u", "1e+05", 1.0, LATE), ("u", "100000", 1.0, LATE)],
            (
                "2 item ids are written as powers of ten, such as '1.23457E+12', as spreadsheets and R write large numbers: "
                "different ids may have become one, and others do not match those of other files"
            ),
        ),
        (
            [("1.5E+12", "a", 1.0, LATE)],
            (
                "1 user ids are written as powers of ten, as spreadsheets and R write large numbers: different ids may have "
                "become one, and others do not match those of other files"
            ),
        ),
        (
            [("u", str(number % 6), 1.0, LATE + number % 6) for number in range(12)],
            "every row is there at least twice, with the same user, item, rating and time: are the same rows in two files?",
        ),
        (
            [("u", "NaN", 1.0, LATE), ("u", "a", 1.0, LATE)],
            "'NaN' is the id of an item: if it stands for no value, leave its rows out",
        ),
        (
            [("null", "a", 1.0, LATE), ("u", "a", 1.0, LATE)],
            "'null' is the id of a user: if it stands for no value, leave its rows out",
        ),
        (
            [("u", "a", 1.0, LATE), ("u", "b", 1.0, LATE // 1_000), ("u", "c", 1.0, 0)],
            "2 of 3 times lie in 1970, and others after 1980: are these in another unit, or missing?",
        ),
    ],
)
def test_values_that_are_valid_but_suspicious(rows, remark):
    """Ids that look like one id written twice, words for a missing value, and times in two units are remarked on."""
    made = Interactions.from_records(records(rows), core=0)

    assert [text for text in made.remarks if "title" not in text] == [remark]


def test_ids_of_items_described_otherwise():
    """An item that is rated as 7 and described as 007 has no title, and the remark says why."""
    made = Interactions.from_records(records([("u", "7", 1.0, LATE)], [("007", "T", None, None)]), core=0)

    assert any("such as '007' and '7'" in remark for remark in made.remarks)


def test_usual_ids_and_times_raise_no_doubts():
    """Texts, numbers with inner zeros, and the single 0 are as good as any."""
    rows = [("0", "0", 1.0, LATE), ("10", "100", 1.0, LATE), ("nancy", "a b", 1.0, LATE), ("u1", "0a", 1.0, LATE)]
    rows += [("12e4", "5E10", 1.0, LATE)]  # as hexadecimal ids may be

    assert [text for text in Interactions.from_records(records(rows), core=0).remarks if "title" not in text] == []


@pytest.mark.parametrize("single", [[], [("u", "7", 2.0, LATE)], [("a", "0", 1.0, LATE)]])
@pytest.mark.parametrize("timed", [True, False])
def test_repeated_rows_are_usual(single, timed):
    """One row that is there once, or no times: repeats are what users do."""
    rows = [("u", str(number % 6), 1.0, LATE if timed else None) for number in range(12)]
    remarks = Interactions.from_records(records([*single, *rows]), core=0).remarks

    assert any("every row is there at least twice" in text for text in remarks) == (timed and not single)


@pytest.mark.parametrize(
    ("title", "odd"),
    [
        ("caf\u00e9".encode().decode("latin-1"), True),
        ("\u201cHeat\u201d".encode("cp1252").decode("latin-1"), True),
        ("\u017bycie".encode().decode("latin-1"), True),
        ("S\u00c3O JO\u00c3O: \u00c2ge d'or \u00abL\u00e0\u00bb \u00c5sa \u2019", False),
        ("\u6771\u4eac", False),
    ],
)
def test_titles_in_a_wrong_encoding(title, odd):
    """UTF-8 or cp1252 that was read as latin-1 shows; letters with accents are as good as any."""
    made = Interactions.from_records(records([("u", "7", 1.0, LATE)], [("7", title, None, None)]), core=0)
    remark = f"1 titles, such as {title!r}, look like text that was read in a wrong encoding: which does the file have?"

    assert list(made.remarks) == ([remark] if odd else [])
