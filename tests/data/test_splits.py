"""Train, valid and test: laws 53 and 54."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.contracts import Edition, Records
from shortstack.data.interactions import Interactions
from shortstack.data.sequences import Sequences
from shortstack.data.splits import GlobalTime, split
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, UnknownNameError

SCHEMA = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 30)), min_size=1, max_size=60)
SHARES = st.sampled_from([0.1, 0.2, 0.4])


def interactions(events):
    """Unfiltered interactions of (user, item, time)."""
    rows = [(f"u{user}", f"i{item}", None, time) for user, item, time in events]
    return Interactions.from_records(
        Records(
            interactions=pl.DataFrame(rows, schema=SCHEMA, orient="row").lazy(),
            items=pl.DataFrame(schema=dict.fromkeys(("item", "title", "category", "text"), pl.String)).lazy(),
            edition=Edition(name="test"),
        ),
        core=0,
    )


@given(EVENTS)
def test_leave_last_leaves_each_users_last(events):
    """Test is the last, valid the one before, for users with at least three; the others train only."""
    made = interactions(events)
    sequences = split(made, "leave-last")

    for user in range(sequences.users):
        a, b = sequences.offsets[user : user + 2]
        expected = [0] * (b - a - 2) + [1, 2] if b - a >= 3 else [0] * (b - a)
        assert sequences.splits[a:b].tolist() == expected
        assert sequences.items[a:b].tolist() == made.table.filter(user=user)["item"].to_list()


@given(EVENTS, SHARES, SHARES)
def test_global_time_cuts_strictly(events, valid, test):
    """max(train) < min(valid) and max(valid) < min(test): equal times never straddle."""
    made = interactions(events)
    try:
        sequences = split(made, GlobalTime(valid=valid, test=test))
    except EmptyDataError:
        assert len(set(made.table["timestamp"])) < len(made) or len(made) < 10  # only ties and tiny tables fail
        return
    times = made.table["timestamp"].to_numpy()
    train, valid_, test_ = (times[sequences.splits == code] for code in (0, 1, 2))

    assert train.max() < valid_.min() <= valid_.max() < test_.min()
    assert len(test_) >= len(times) * test - 1


@given(EVENTS)
def test_splits_never_decrease_within_a_user(events):
    """What ``Sequences`` promises, for both splits; and every interaction is in exactly one."""
    made = interactions(events)
    for by in ("leave-last", "global-time"):
        try:
            sequences = split(made, by)
        except EmptyDataError:
            continue
        assert len(sequences.splits) == len(sequences.items) == len(made)
        for a, b in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            assert np.all(np.diff(sequences.splits[a:b]) >= 0)


def test_global_time_takes_the_shares():
    """Ten distinct moments at 20 % each: six, two, two."""
    sequences = split(interactions([(i % 3, i % 4, i) for i in range(10)]), GlobalTime(valid=0.2, test=0.2))

    assert np.bincount(sequences.splits).tolist() == [6, 2, 2]


def test_sequences_survive_the_disk(tmp_path):
    """Save and load give the same arrays, and torch accepts them as writable."""
    sequences = split(interactions([(0, i, i) for i in range(5)]))
    sequences.save(tmp_path / "sequences.safetensors")
    loaded = Sequences.load(tmp_path / "sequences.safetensors")

    assert sequences.items.flags.writeable
    assert loaded.items.tolist() == sequences.items.tolist()
    assert loaded.offsets.tolist() == sequences.offsets.tolist()
    assert loaded.splits.tolist() == sequences.splits.tolist()


def test_times_are_needed():
    """Data without timestamps can be made, but not split."""
    made = interactions([(0, 0, None), (0, 1, 5)])
    with pytest.raises(DataError) as caught:
        split(made)

    assert str(caught.value) == (
        "a split into train, valid and test needs the time of every interaction, but 1 of 2 interactions of test have "
        "none; name the column of timestamps, or use other data"
    )


def test_too_many_ties_are_said():
    """One moment cannot be cut in three."""
    with pytest.raises(EmptyDataError) as caught:
        split(interactions([(0, 0, 5)] * 4), "global-time")

    assert str(caught.value) == (
        "the split 'global-time' of 4 interactions leaves train or valid empty, because too many timestamps are equal; "
        "use larger shares, more data, or 'leave-last'"
    )


def test_unknown_split_suggests():
    """A misspelt name gets the nearest."""
    with pytest.raises(UnknownNameError) as caught:
        split(interactions([(0, 0, 5)]), "leave_last")

    assert str(caught.value) == (
        "unknown split 'leave_last'; did you mean 'leave-last'? (known: global-time, leave-last, official)"
    )


@pytest.mark.parametrize(("valid", "test"), [(0.0, 0.1), (0.1, 1.0), (0.5, 0.5)])
def test_shares_must_leave_something(valid, test):
    """Shares are checked where they are given."""
    with pytest.raises(ConfigurationError) as caught:
        GlobalTime(valid=valid, test=test)

    assert str(caught.value) == (
        f"the shares valid = {valid:g} and test = {test:g} must be above 0 and together below 1"
    )
