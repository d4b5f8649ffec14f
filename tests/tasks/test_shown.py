"""Impressions become arrays, and training histories: nothing of a later part is learnt from."""

import numpy as np
import polars as pl
import pytest

from shortstack.contracts import Edition, Records
from shortstack.data.impression_dataset import Shown
from shortstack.data.impressions import Impressions
from shortstack.errors import ConfigurationError, DataError, EmptyDataError

SCHEMA = {
    "user": pl.String,
    "timestamp": pl.Int64,
    "history": pl.List(pl.String),
    "shown": pl.List(pl.String),
    "clicked": pl.List(pl.Boolean),
    "split": pl.String,
}


def records(rows, **other):
    """Return records of impressions (user, time, history, shown, clicked, split)."""
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    items = pl.DataFrame(
        {"item": ["a", "z"], "title": ["A", "Z"], "category": ["x", None], "text": [None, None]},
        schema=dict.fromkeys(("item", "title", "category", "text"), pl.String),
    )
    nothing = pl.DataFrame(schema={"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64})
    return Records(
        interactions=nothing.lazy(),
        items=items.lazy(),
        edition=Edition(name="tiny"),
        **{"impressions": frame.lazy(), **other},
    )


ROWS = [
    (f"u{n % 3}", 1_000 + n, ["a", "b"] if n % 3 else [], ["c", f"d{n}"], [n % 2 == 0, n % 2 == 1], None)
    for n in range(20)
]


def test_numbers_mean_what_was_read():
    """Every list comes back by the names of the catalogue, in the order of time."""
    made = Shown.from_records(records(ROWS[::-1]), split="global-time")
    names = [item.id for item in made.catalogue.items]
    for row, (_, _, history, shown, clicked, _) in enumerate(ROWS):
        items, clicks = made.impressions.candidates(row)
        assert [names[item] for item in made.impressions.history(row)] == history
        assert [names[item] for item in items] == shown
        assert clicks.tolist() == clicked
    assert {item.id: item.title for item in made.catalogue.items}["a"] == "A"
    assert "z" not in names, "what is described and never seen is no candidate"
    assert made.facts["clicks"] == 20
    assert made.facts["impressions_without_history"] == 7
    assert made.impressions.splits.tolist() == [0] * 16 + [1] * 2 + [2] * 2


def test_learnt_is_the_first_history_and_then_the_clicks():
    """Only training readers are learnt from: their first history and then their clicks."""
    made = Shown.from_records(records(ROWS), split="global-time")
    names = [item.id for item in made.catalogue.items]
    learnt = {tuple(names[item] for item in history) for history in made.sequences.train()}
    clicks = {user: ["c" if n % 2 == 0 else f"d{n}" for n in range(16) if n % 3 == user] for user in range(3)}

    assert learnt == {(*(["a", "b"] if user else []), *clicks[user]) for user in range(3)}


def test_the_seed_numbers_items():
    """The same seed gives the same numbering, whatever the order of the rows; another seed another one."""
    orders = [
        [item.id for item in Shown.from_records(records(rows), split="global-time", seed=seed).catalogue.items]
        for seed, rows in ((0, ROWS), (0, ROWS[::-1]), (1, ROWS))
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(("later", "three"), [("valid", False), ("test", False), ("test", True)])
def test_official_parts(later, three):
    """Two parts make three: the last tenth of the first in time is valid."""
    parts = ["train"] * 10 + (["valid"] * 5 if three else ["train"] * 5) + [later] * 5
    rows = [(*row[:5], part) for row, part in zip(ROWS, parts, strict=True)]
    splits = Shown.from_records(records(rows), split="official").impressions.splits.tolist()

    assert splits == ([0] * 10 + [1] * 5 + [2] * 5 if three else [0] * 13 + [1] * 2 + [2] * 5)


def test_parts_are_saved_and_taken(tmp_path):
    """A part has its own lists, and a file holds them."""
    made = Shown.from_records(records(ROWS), split="global-time").impressions
    made.save(tmp_path / "i.safetensors")
    test = Impressions.load(tmp_path / "i.safetensors").of("test")

    assert len(test) == 2
    for row in range(2):
        assert test.history(row).tolist() == made.history(18 + row).tolist()
        assert test.candidates(row)[0].tolist() == made.candidates(18 + row)[0].tolist()
    with pytest.raises(EmptyDataError, match="the split 'train' has no impressions"):
        test.of("train")


@pytest.mark.parametrize(
    ("rows", "split", "other", "error", "problem"),
    [
        (ROWS, "leave-last", {}, ConfigurationError, "divides impressions by 'global-time' or 'official', not by 'leave-last'"),
        (ROWS, "official", {}, DataError, "are one published part, or none"),
        ([], "global-time", {}, EmptyDataError, "tiny holds no impressions"),
        (ROWS, "global-time", {"impressions": None}, DataError, "tiny does not say what users were shown"),
        (ROWS, "global-time", {"impressions": pl.DataFrame(ROWS, schema=SCHEMA, orient="row").drop("clicked").lazy()}, DataError, r"the column 'clicked' of the impressions must be List\(Boolean\), not nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(rows, split, other, error, problem):
    """Each error is one sentence."""
    with pytest.raises(error, match=problem):
        Shown.from_records(records(rows, **other), split=split)


def test_rows_are_plain_numbers():
    """Rows are plain numbers, as safetensors requires."""
    made = Shown.from_records(records(ROWS), split="global-time").impressions
    assert {made.users.dtype, made.read.dtype, made.shown.dtype, made.shown_offsets.dtype} == {np.dtype("int64")}
