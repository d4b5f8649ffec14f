"""Baselines on examples worked out by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import cosine_similarity

from shortstack.evaluation.baselines import ItemKNN, Markov, PersonalPopularity, Popularity
from shortstack.evaluation.rankers import Ranker


def histories(*lists):
    """Return arrays of item ids."""
    return [np.array(items, dtype=np.int64) for items in lists]


@pytest.mark.parametrize("floor", [Popularity, PersonalPopularity, Markov, ItemKNN])
def test_floors_are_rankers_without_a_loss(floor, random_sequences):
    """Scores of all items, also for a case without history and for none at all; in float64 where popularity decides ties."""
    ranker = floor.fit(random_sequences)

    assert isinstance(ranker, Ranker)
    assert ranker.scores_are_logits is False
    for users in (histories([], [1, 2]), histories([]), []):
        scores = ranker.scores(users)
        assert (len(users), 40) == tuple(scores.shape)
        assert str(scores.dtype) == ("torch.float64" if floor in {PersonalPopularity, Markov} else "torch.float32")


@given(
    count=st.integers(0, 50_000),
    more=st.integers(1, 3),
    popular=st.lists(st.integers(0, 10**6), min_size=2, max_size=2),
)
def test_popularity_decides_ties_and_nothing_else(count, more, popular):
    """However large the counts are; the more popular item comes first where they are equal, and never else."""
    popularity = np.array(sorted(popular)) / (max(popular) + 1)
    tied, ahead = (np.repeat([0, 1], [count + extra, count]) for extra in (0, more))
    followed = csr_array(np.array([[count, count], [count + more, count]], dtype=np.float64))
    personal = PersonalPopularity(popularity=popularity).scores([tied, ahead])
    markov = Markov(transitions=followed, popularity=popularity).scores(histories([0], [1]))

    for equal, unequal in (personal, markov):
        assert (equal[1] > equal[0]) == (popular[0] != popular[1])
        assert unequal[0] > unequal[1]


def test_popularity_counts_what_it_may_see(leave_last):
    """Item 1 occurs once in training, and once more in validation; the test item never counts."""
    sequences = leave_last([[0, 1, 2], [1, 1, 2]], 3)

    assert Popularity.fit(sequences).scores(histories([0])).tolist() == [[1, 1, 0]]
    assert Popularity.fit(sequences, upto="valid").scores(histories([0])).tolist() == [[1, 3, 0]]


def test_markov_counts_what_followed(leave_last):
    """After item 0 came 1 twice and 2 once; popularity (2, 2, 1, 3) only decides where counts are equal."""
    sequences = leave_last([[0, 1, 3, 9, 9], [0, 1, 3, 9, 9], [3, 0, 2, 9, 9]], 10)
    scores = Markov.fit(sequences).scores(histories([7, 0]))[0].tolist()

    # Counts of training items: 0 three times, 1 twice, 2 once, 3 three times; fractions over 3 + 1.
    assert scores == [0.75, 2.5, 1.25, 0.75, 0, 0, 0, 0, 0, 0]


def test_markov_without_a_history_is_popularity(leave_last):
    """Neither a case without history nor an item that nothing followed has transitions."""
    sequences = leave_last([[0, 1, 9, 9], [0, 2, 9, 9]], 10)
    nothing, last = Markov.fit(sequences).scores(histories([], [2]))

    assert nothing.tolist() == last.tolist()
    assert nothing.argsort(descending=True, stable=True)[:3].tolist() == [0, 1, 2]


def test_knn_is_cosine_over_users(random_sequences):
    """With all neighbours, the scores are sums of scikit-learn's cosines."""
    users = random_sequences.train()
    had = np.zeros((len(users), 40))
    for user, items in enumerate(users):
        had[user, items] = 1
    cosines = cosine_similarity(had.T)
    np.fill_diagonal(cosines, 0)

    scores = ItemKNN.fit(random_sequences).scores(histories([3, 5, 8], [11, 11]))

    expected = np.stack([cosines[[3, 5, 8]].sum(axis=0), cosines[11]])
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-6)


def test_knn_keeps_each_items_nearest_neighbours(random_sequences):
    """Each candidate looks at its own three nearest, the lower id of equal ones."""
    every = ItemKNN.fit(random_sequences).similarities.toarray()
    nearest = ItemKNN.fit(random_sequences, neighbours=3).similarities.toarray()

    for item in range(40):
        kept = np.argsort(-every[:, item], kind="stable")[:3]
        expected = np.zeros(40)
        expected[kept] = every[kept, item]
        np.testing.assert_array_equal(expected, nearest[:, item])


def test_personal_popularity_is_what_the_user_had_most_often(leave_last):
    """Own counts come first; popularity, here of item 3, breaks ties, and alone ranks for an empty history."""
    ranker = PersonalPopularity.fit(leave_last([[3, 3, 3], [0, 3, 2]], 5), "test")

    personal, nothing = ranker.scores([np.array([1, 0, 1]), np.array([], dtype=np.int64)]).tolist()

    assert sorted(range(5), key=lambda item: -personal[item]) == [1, 0, 3, 2, 4]
    assert max(range(5), key=lambda item: nothing[item]) == 3
