"""The k-core against a naive reference, and its properties."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortstack.data.filters import k_core

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60)
CORES = st.integers(0, 4)


def naive(pairs, k):
    """Drop one offending row at a time until there is none: slow, but evidently correct."""
    rows = list(range(len(pairs)))
    while True:
        users = Counter(pairs[row][0] for row in rows)
        items = Counter(pairs[row][1] for row in rows)
        bad = [row for row in rows if users[pairs[row][0]] < k or items[pairs[row][1]] < k]
        if not bad:
            return rows
        rows.remove(bad[0])


def core(pairs, k):
    """Return the k-core by the function under test."""
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return k_core(array[:, 0], array[:, 1], k)


@given(PAIRS, CORES)
def test_equals_the_naive_reference(pairs, k):
    """The maximal core is unique, so the order in which rows are dropped does not matter."""
    assert core(pairs, k).tolist() == naive(pairs, k)


@given(PAIRS, CORES)
def test_is_idempotent(pairs, k):
    """The core of a core is itself."""
    once = [pairs[row] for row in core(pairs, k)]

    assert core(once, k).tolist() == list(range(len(once)))


@given(PAIRS, CORES, st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_rows(pairs, k, random):
    """Shuffled rows leave the same multiset of pairs."""
    shuffled = random.sample(pairs, len(pairs))

    assert sorted(pairs[row] for row in core(pairs, k)) == sorted(shuffled[row] for row in core(shuffled, k))


def test_one_pass_would_not_do():
    """Item 2 has one row; without it user 1 has one; without that item 1 has one: only repetition ends at user 0."""
    pairs = [(0, 0), (0, 0), (1, 1), (1, 2), (0, 1)]

    assert core(pairs, 2).tolist() == [0, 1]
