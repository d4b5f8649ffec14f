"""Slices of evaluation cases."""

import numpy as np

from shortstack.data.sequences import Sequences
from shortstack.evaluation.slices import Slices


def test_the_head_is_the_fewest_items_with_half_of_the_interactions(leave_last):
    """Training counts are 4, 2, 1, 1 of 8: the first item alone holds half."""
    sequences = leave_last([[0, 0, 1, 9, 9], [0, 0, 1, 2, 3, 9, 9]], 10)

    slices = Slices.fit(sequences)

    assert slices.head.tolist() == [True] + [False] * 9


def test_short_and_warm_follow_from_training(leave_last):
    """Training lengths are 1, 3 and 0: the median of those with any is 2, and the third user is cold."""
    sequences = leave_last([[0, 1, 2], [0, 1, 2, 3, 4], [3]], 5)
    masks = Slices.fit(sequences).masks(sequences.cases("test"))

    assert Slices.fit(sequences).facts() == {"head_items": 1, "short_history_items": 2}
    assert masks["short"].tolist() == [True, False, True], "histories of 2, 4 and 0 items"
    assert masks["cold"].tolist() == [False, False, True]
    assert (masks["cold"] ^ masks["warm"]).all()
    assert (masks["short"] ^ masks["long"]).all()
    assert (masks["head"] ^ masks["tail"]).all()


def test_new_items_are_those_that_no_training_history_has(leave_last):
    """Items without a training history are new, whether or not they occur in validation."""
    sequences = leave_last([[0, 1, 2], [0, 3, 1]], 5)
    masks = Slices.fit(sequences).masks(sequences.cases("test"))

    assert masks["new-item"].tolist() == [True, True], "both saw but item 0 in training"
    assert (masks["new-item"] ^ masks["known-item"]).all()


def test_without_training_interactions_everyone_is_cold():
    """A split whose training part is empty has no median, and does not fail."""
    sequences = Sequences(
        items=np.array([0]), offsets=np.array([0, 1]), splits=np.array([2], dtype=np.int8), catalogue_size=1
    )

    assert Slices.fit(sequences).masks(sequences.cases("test"))["cold"].tolist() == [True]
