"""Row filters: dates, sampled users, the last rows of each user, official splits."""

import attrs
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.config.run_tables import DataSettings
from shortstack.contracts import Edition, Records
from shortstack.data.interactions import Interactions
from shortstack.data.preparation import Preparation
from shortstack.data.splits import Official, split
from shortstack.errors import ConfigurationError, DataError, EmptyDataError
from shortstack.tasks.interactions import preparation

DAY = 86_400_000


def records(rows, **columns):
    """Return records of (user, item, rating, day) with further columns."""
    frame = pl.DataFrame(
        [(u, i, r, None if d is None else d * DAY) for u, i, r, d in rows],
        schema={"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64},
        orient="row",
    ).with_columns(pl.Series(name, values, dtype=pl.String) for name, values in columns.items())
    items = (
        frame.select("item")
        .unique()
        .with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in ("title", "category", "text"))
    )
    return Records(interactions=frame.lazy(), items=items.lazy(), edition=Edition(name="tiny"))


def made(rows, columns=None, **how):
    """Prepare rows, without a core unless one is given."""
    return Interactions.from_records(records(rows, **(columns or {})), **{"core": 0} | how)


def left(interactions):
    """Return user, item and day of the remaining rows, in order."""
    users, items = interactions.users, interactions.items["item"]
    return [(users[u], items[i], t // DAY) for u, i, t in interactions.table.select("user", "item", "timestamp").rows()]


ROWS = [(f"u{u}", f"i{(u + day) % 4}", 3.0, day) for u in range(6) for day in range(5)]


@pytest.mark.parametrize(
    ("how", "days"),
    [
        ({"since": "1970-01-03"}, {2, 3, 4}),
        ({"until": "1970-01-03"}, {0, 1}),
        ({"since": "1970-01-02T00:00:01", "until": "1970-01-04T00:00:00+00:00"}, {2}),
        ({"since": "1970-01-02T01:00:00+02:00"}, {1, 2, 3, 4}),
    ],
)
def test_dates(how, days):
    """Since is kept, until is not; a time without a zone is UTC."""
    assert {day for *_, day in left(made(ROWS, **how))} == days


def test_the_last_of_each_user():
    """The most recent rows are kept, whatever their order."""
    for rows in (ROWS, ROWS[::-1]):
        remaining = left(made(rows, last_n=2))
        assert len(remaining) == 12
        assert {day for *_, day in remaining} == {3, 4}


def test_users_are_drawn_by_the_seed():
    """A seed draws the same users from any order of the rows, with all that they have; another seed draws others."""
    draws = [frozenset(made(rows, sample_users=3, seed=seed).users) for seed in range(6) for rows in (ROWS, ROWS[::-1])]

    assert all(first == second for first, second in zip(draws[::2], draws[1::2], strict=True))
    assert len({*draws}) > 1
    assert all(len(draw) == 3 for draw in draws)
    assert len(made(ROWS, sample_users=3)) == 15
    assert len(made(ROWS, sample_users=99)) == len(ROWS)


def test_filters_in_their_order():
    """Dates come before the core, and the last of each user after it: 3 days a user pass a core of 3, and 1 is kept."""
    assert len(made(ROWS, since="1970-01-03", core=3, last_n=1)) == 6
    with pytest.raises(EmptyDataError, match=r"of 30 interactions, of which 12 are since 1970-01-04; lower core"):
        made(ROWS, since="1970-01-04", core=4)


@given(
    emptying=st.sampled_from([{"core": 9}, {"min_rating": 4.0}, {"since": "1980-01-01"}, {"until": "1960-01-01"}]),
    last_n=st.sampled_from([None, 1, 3]),
    sample_users=st.sampled_from([None, 2]),
    duplicates=st.sampled_from(["keep", "first", "last"]),
    ties=st.sampled_from(["hash", "file"]),
    order=st.sampled_from(["time", "file"]),
)
def test_filters_that_leave_nothing(emptying, **how):
    """Whatever would follow, the error is that nothing is left."""
    with pytest.raises(EmptyDataError, match="no interactions are left after the"):
        made(ROWS, **emptying, **how)


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("value", ["yesterday", "2009-13-01", ""])
def test_what_is_no_date(name, value):
    """The error says which dates are allowed."""
    with pytest.raises(
        ConfigurationError, match=rf"^{name} takes a date such as '2009-05-04' or a time .* got '{value}'$"
    ):
        made(ROWS, **{name: value})


@pytest.mark.parametrize(
    ("how", "what"), [({"since": "1970-01-01"}, "since and until need"), ({"last_n": 1}, "last_n needs")]
)
def test_times_that_are_missing(how, what):
    """The error says how many times are missing."""
    with pytest.raises(DataError, match=rf"^{what} the time of every interaction, but 1 of 2 have none"):
        made([("u", "i", 1.0, None), ("u", "j", 1.0, 1)], **how)


def test_settings_of_a_run_are_those_of_the_preparation():
    """Each setting of ``[data]`` is about the source, or else a setting of the preparation under the same name."""
    names = preparation(DataSettings(source="x"), seed=0).keys()

    assert names == {field.name for field in attrs.fields(Preparation)}


PARTS = ["train", "train", "train", "valid", "test"] * 6


def test_official_parts():
    """Each row is in the split given by the publisher."""
    sequences = split(made(ROWS, {"split": PARTS}), "official")

    assert sequences.splits.reshape(6, 5).tolist() == [[0, 0, 0, 1, 2]] * 6
    assert split(made(ROWS, {"split": PARTS}), "leave-last").splits.tolist() == sequences.splits.tolist()


def test_official_parts_that_go_back_in_time():
    """A user's training rows come first, whatever their times."""
    made_so = made(ROWS, {"split": ["test", "train", "train", "train", "valid"] * 6})
    sequences = split(made_so, "official")

    assert sequences.splits.reshape(6, 5).tolist() == [[0, 0, 0, 1, 2]] * 6
    days = made_so.table["timestamp"].to_numpy().reshape(6, 5) // DAY
    assert days.tolist() == [[0, 1, 2, 3, 4]] * 6


@pytest.mark.parametrize("later", ["valid", "test"])
def test_two_official_parts(later):
    """The later one is test, and the last of train is valid; where train has two rows, both stay."""
    parts = ["train", "train", "train", later, "train", "train", later]

    assert Official().codes(np.array([0, 0, 0, 0, 1, 1, 1]), parts).tolist() == [0, 0, 1, 2, 0, 0, 2]


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (["train"] * 5, "the split 'official' has the part 'train' alone; read the others with it"),
        (
            ["train", "dev", "train", "test", "test"],
            "split 'dev' in row 2 of the interactions is none of train, valid, test",
        ),
        (
            ["train", None, "train", "test", "test"],
            "split None in row 2 of the interactions is none of train, valid, test",
        ),
    ],
)
def test_bad_parts(parts, problem):
    """Each error is one sentence."""
    with pytest.raises(DataError) as caught:
        split(made(ROWS[:5], {"split": parts}), "official")
    assert str(caught.value) == problem


def test_no_official_parts():
    """The error says what the alternatives are."""
    with pytest.raises(DataError, match=r"^tiny has no official split, .* use 'leave-last' or 'ratio'$"):
        split(made(ROWS), "official")
