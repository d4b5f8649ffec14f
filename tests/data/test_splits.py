"""Splits into train, valid and test: disjoint, complete and ordered."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.contracts import Edition, Records
from shortstack.data.interactions import Interactions
from shortstack.data.sequences import Sequences
from shortstack.data.splits import GlobalTime, Random, RandomByUser, Ratio, named_split, split
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, UnknownNameError

SCHEMA = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 30)), min_size=1, max_size=60)
SHARES = st.sampled_from([0.1, 0.2, 0.4])


def interactions(events):
    """Return unfiltered interactions of (user, item, time)."""
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
    """Splits are ordered as ``Sequences`` promises, for both kinds; every interaction is in exactly one."""
    made = interactions(events)
    for by in ("leave-last", "global-time"):
        try:
            sequences = split(made, by)
        except EmptyDataError:
            assert by == "global-time"  # too many equal times; the last of a user's there always is
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
    """Interactions without timestamps can be built, but not split."""
    made = interactions([(0, 0, None), (0, 1, 5)])
    with pytest.raises(DataError) as caught:
        split(made)

    assert str(caught.value) == (
        "a split into train, valid and test needs the time of every interaction, but 1 of 2 interactions of test have "
        "none; name the column of timestamps, set order = 'file' if the rows stand in the order of events, or use other data"
    )


def test_too_many_ties_are_said():
    """Too many ties are an error: equal times cannot be split."""
    with pytest.raises(EmptyDataError) as caught:
        split(interactions([(0, 0, 5)] * 4), "global-time")

    assert str(caught.value) == (
        "the split 'global-time' of 4 interactions leaves train or valid empty, because too many timestamps are equal; "
        "use larger shares, more data, or 'leave-last'"
    )


def test_unknown_split_suggests():
    """A misspelt name gets a suggestion."""
    with pytest.raises(UnknownNameError) as caught:
        split(interactions([(0, 0, 5)]), "leave_last")

    assert str(caught.value) == (
        "unknown split 'leave_last'; did you mean 'leave-last'? (known: global-time, leave-last, official, random, random-by-user, ratio)"
    )


@pytest.mark.parametrize(("valid", "test"), [(0.0, 0.1), (0.1, 1.0), (0.5, 0.5)])
def test_shares_must_leave_something(valid, test):
    """Shares are checked where they are given."""
    with pytest.raises(ConfigurationError) as caught:
        GlobalTime(valid=valid, test=test)

    assert str(caught.value) == (
        f"the shares valid = {valid:g} and test = {test:g} must be above 0 and together below 1"
    )


@given(EVENTS, SHARES, SHARES)
def test_ratio_divides_each_users_own(events, valid, test):
    """Against a loop: the last tenth, but at least one, of who has three; the tenth before it is valid."""
    made = interactions(events)
    sequences = split(made, Ratio(valid=valid, test=test))

    for user in range(sequences.users):
        codes = sequences.splits[sequences.offsets[user] : sequences.offsets[user + 1]].tolist()
        tests, valids = (max(1, int(len(codes) * share + 1e-9)) for share in (test, valid))
        late = [] if len(codes) < 3 else [1] * valids + [2] * tests
        assert codes == [0] * (len(codes) - len(late)) + late
        assert len(codes) < 3 or codes[0] == 0


@given(EVENTS, st.sampled_from([Random, RandomByUser]), st.integers(0, 3))
def test_a_random_split_draws_by_its_seed(events, by, seed):
    """Every interaction is in one part, parts stand in order within a user, and sizes are the shares."""
    made = interactions(events)
    rule = by(valid=0.2, test=0.2, seed=seed)
    try:
        sequences = split(made, rule)
    except EmptyDataError:
        assert len(made) < 5
        return
    assert (sequences.splits == split(made, rule).splits).all()
    for user in range(sequences.users):
        a, b = sequences.offsets[user : user + 2]
        assert (np.diff(sequences.splits[a:b]) >= 0).all()
        assert sorted(sequences.items[a:b].tolist()) == sorted(made.table.filter(user=user)["item"].to_list())
        if by is RandomByUser:
            part = max(1, (b - a) // 5) if b - a >= 3 else 0
            assert np.bincount(sequences.splits[a:b], minlength=3).tolist() == [b - a - 2 * part, part, part]
    if by is Random:
        part = len(made) // 5
        assert np.bincount(sequences.splits, minlength=3).tolist() == [len(made) - 2 * part, part, part]


def test_a_random_split_of_too_few():
    """A random split of too few interactions is an error: no part may be empty."""
    with pytest.raises(EmptyDataError) as caught:
        split(interactions([(0, 0, 0), (0, 1, 1)]), "random")
    assert str(caught.value) == (
        "the split 'random' of 2 interactions leaves a part empty; use larger shares or more data"
    )


def test_a_random_split_is_of_the_runs_seed_and_of_no_row_order():
    """Row order does not matter, another seed is another draw, and the docstring warns that late interactions train."""
    events = [(user, item, item) for user in range(20) for item in range(20)]
    there = [interactions(rows) for rows in (events, events[::-1])]
    drawn = [split(made, Random(seed=3)) for made in there]
    last = [sequences.items[sequences.splits == 2].tolist() for sequences in drawn]

    assert last[0] == last[1] != split(there[0], Random(seed=4)).items.tolist()
    assert (split(there[0], "random").splits == split(there[0], Random(seed=0)).splits).all()
    times = there[0].table["timestamp"].to_numpy()
    assert times[Random().codes(there[0].table["user"].to_numpy(), times) == 0].max() == 19
    heads = [(rule.__doc__ or "").splitlines()[0] for rule in (Random, RandomByUser)]
    assert all("leaks time" in head for head in heads)
    assert heads[1].startswith("Each user's interactions")


@pytest.mark.parametrize("rule", [Ratio, RandomByUser])
@pytest.mark.parametrize(("count", "parts"), [(2, [2, 0, 0]), (3, [1, 1, 1]), (10, [1, 1, 8]), (20, [1, 1, 18])])
def test_large_shares_leave_each_user_something_to_train_on(rule, count, parts):
    """Each user keeps a training item, as a case without history could not be predicted."""
    users = np.repeat([0, 1], count)
    codes = rule(valid=0.05, test=0.9).codes(users, users)

    assert [np.bincount(codes[users == user], minlength=3).tolist() for user in (0, 1)] == [parts, parts]


@pytest.mark.parametrize("name", ["global-time", "ratio", "random", "random-by-user"])
def test_shares_of_a_named_split(name):
    """Shares are settings of the run; wrong ones are refused."""
    assert named_split(name, test=0.3) == type(named_split(name))(test=0.3)
    with pytest.raises(ConfigurationError) as caught:
        named_split(name, valid=0.7, test=0.3)
    assert str(caught.value) == "the shares valid = 0.7 and test = 0.3 must be above 0 and together below 1"


def test_splits_without_shares():
    """Shares of a split that has none are an error, not silently ignored."""
    with pytest.raises(ConfigurationError) as caught:
        named_split("leave-last", valid=0.2)
    assert str(caught.value) == "the split 'leave-last' has no shares; leave valid_share out"
    with pytest.raises(ConfigurationError, match="the split 'official' has no shares; leave test_share out"):
        named_split("official", test=0.2)


def untimed(pairs, **how):
    """Return interactions in the order of their file, without times."""
    rows = [(user, item, None, None) for user, item in pairs]
    items = pl.DataFrame(schema=dict.fromkeys(("item", "title", "category", "text"), pl.String))
    return Interactions.from_records(
        Records(
            interactions=pl.DataFrame(rows, schema=SCHEMA, orient="row").lazy(),
            items=items.lazy(),
            edition=Edition(name="test"),
        ),
        core=0,
        order="file",
        **how,
    )


PAIRS = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef")), min_size=1, max_size=40)


@given(PAIRS, st.sampled_from(["leave-last", "ratio"]))
def test_the_order_of_the_file(pairs, name):
    """Each user's history stands as the rows do; no times are needed."""
    made = untimed(pairs)
    sequences = split(made, name)
    histories = {
        made.users[user]: [made.items["item"][item] for item in history.tolist()]
        for user, history in enumerate(sequences.upto("test"))
    }

    assert histories == {
        user: [item for owner, item in pairs if owner == user] for user in {owner for owner, _ in pairs}
    }


def test_filters_by_the_order_of_the_file():
    """The last n, and the first of repeats."""
    pairs = [("u", item) for item in "abcab"]
    assert untimed(pairs, last_n=2).items["item"].gather(untimed(pairs, last_n=2).table["item"]).to_list() == ["a", "b"]
    for keep, expected in (("first", "abc"), ("last", "cab")):
        made = untimed(pairs, duplicates=keep)
        assert "".join(made.items["item"].gather(made.table["item"])) == expected


def test_the_order_of_the_file_wins_over_times():
    """With the option set, the order of the file takes precedence over times."""
    rows = [("u", item, None, 9 - place) for place, item in enumerate("abc")]
    items = pl.DataFrame(schema=dict.fromkeys(("item", "title", "category", "text"), pl.String))
    records = Records(
        interactions=pl.DataFrame(rows, schema=SCHEMA, orient="row").lazy(),
        items=items.lazy(),
        edition=Edition(name="test"),
    )
    orders = [Interactions.from_records(records, core=0, order=order) for order in ("file", "time")]

    assert ["".join(made.items["item"].gather(made.table["item"])) for made in orders] == ["abc", "cba"]


def test_global_time_needs_times():
    """global-time needs times: the order of the file does not compare users."""
    with pytest.raises(ConfigurationError) as caught:
        split(untimed([("u", "a")]), "global-time")
    assert str(caught.value) == (
        "the split 'global-time' compares the times of different users, and order = 'file' only says in which order each user "
        "did things; use 'leave-last', 'ratio' or 'official', or order = 'time'"
    )
