"""Keys of users: the same in runs of other seeds, which number users and items in other orders."""

import random

import numpy as np
import pytest
from data.test_interactions import records
from hypothesis import given
from hypothesis import strategies as st
from tasks.test_shown import ROWS as IMPRESSIONS
from tasks.test_shown import records as of_impressions

from shortstack.data.catalogue import Catalogue, Item
from shortstack.data.impression_dataset import Shown
from shortstack.data.impressions import shown_by_user
from shortstack.data.interactions import Interactions
from shortstack.data.splits import split
from shortstack.data.user_keys import user_keys

HISTORIES = st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=8)


def keys_of(histories, names):
    """Return the key of each history of items, of which ``names`` are the ids."""
    catalogue = Catalogue(items=[Item(id=name, title="", token=token) for token, name in enumerate(names, 1)])
    items = np.array([item for history in histories for item in history], dtype=np.int64)
    return user_keys(items, np.cumsum([0, *map(len, histories)]), catalogue).tolist()


@given(HISTORIES, st.permutations(range(5)), st.randoms(use_true_random=False))
def test_other_numbers_are_other_numbers_alone(histories, numbers, chance):
    """Users and items in another order, and a user's items at one time in another: each user keeps the key."""
    there = keys_of(histories, "abcde")
    order = chance.sample(range(len(histories)), len(histories))
    shuffled = [chance.sample(histories[user], len(histories[user])) for user in order]
    names = [""] * 5
    for item, number in enumerate(numbers):
        names[number] = "abcde"[item]
    here = keys_of([[numbers[item] for item in history] for history in shuffled], names)

    # users of equal items may change places with each other
    assert sorted(here) == sorted(there)
    once = [user for user in order if [sorted(h) for h in histories].count(sorted(histories[user])) == 1]
    assert [here[order.index(user)] for user in once] == [there[user] for user in once]


@given(HISTORIES)
def test_every_user_has_a_key_of_their_own(histories):
    """Also those of equal items, and without any."""
    keys = keys_of(histories, "abcde")

    assert len(set(keys)) == len(histories)


def test_users_of_equal_items_are_told_by_their_order():
    """As long as no times are equal, in which case the seed orders them."""
    there, here = keys_of([[0, 1, 2], [2, 1, 0]], "abc"), keys_of([[2, 1, 0], [0, 1, 2]], "abc")

    assert there == here[::-1]


@pytest.mark.parametrize("how", [{}, {"core": 3}, {"min_rating": 3.0}, {"duplicates": "first"}])
def test_interactions_of_other_seeds(how):
    """The ids of the users, which no file holds, have one key each, whatever the seed."""
    generator = random.Random(0)
    rows = [(f"u{user}", f"i{generator.randrange(40)}", float(generator.randint(1, 5)), generator.randrange(90))
            for user in range(60) for _ in range(12)]  # fmt: skip
    by_seed = []
    for seed in range(3):
        interactions = Interactions.from_records(records(rows), seed=seed, **how)
        sequences = split(interactions, "leave-last")
        keys = user_keys(sequences.items, sequences.offsets, interactions.catalogue())
        by_seed.append(dict(zip(interactions.users, keys.tolist(), strict=True)))

    assert by_seed[0] == by_seed[1] == by_seed[2]
    assert len(set(by_seed[0].values())) == len(by_seed[0]) > 30


def test_impressions_of_other_seeds():
    """By what they were shown, in all parts."""
    keys = []
    for seed in range(2):
        made = Shown.from_records(of_impressions(IMPRESSIONS), split="global-time", seed=seed)
        keys.append(user_keys(*shown_by_user(made.impressions), made.catalogue)[made.impressions.users].tolist())

    assert keys[0] == keys[1]
    assert keys[0][:3] == keys[0][3:6]
    assert len(set(keys[0])) == 3
