"""Metrics of one's own: which callables are understood, what they are given, and what is refused."""

from functools import partial

import numpy as np
import pytest

from shortstack.config.given import Given
from shortstack.errors import ConfigurationError
from shortstack.evaluation.custom import RANKS, SCORES, custom_metrics


def hit(ranks, k=10):
    """Whether the target is among the first k."""
    return ranks <= k


def hit_by_name(*, ranks, k=10):
    """The same, by names alone."""
    return ranks <= k


def hit_by_place(ranks, k=10, /):
    """The same, by places alone."""
    return ranks <= k


def hit_after(k, ranks):
    """The same, with a parameter that has no default, before the ranks."""
    return ranks <= k


def hit_with_more(ranks, *_places, **_names):
    """The same at 10, whatever else is given."""
    return ranks <= 10


def target_score(targets, scores):
    """The target's score, with the parameters exchanged."""
    return scores[np.arange(len(targets)), targets]


def target_score_by_place(targets, scores, /):
    """The same, by places alone."""
    return scores[np.arange(len(targets)), targets]


class Hit:
    """Whether the target is among the first ``k``, as an object."""

    def __init__(self, k):
        self.k = k

    def __call__(self, ranks):
        """Return it for each case."""
        return ranks <= self.k

    def of(self, ranks, *, k=None):
        """Return it for each case, as a bound method."""
        return ranks <= (k or self.k)

    @classmethod
    def first(cls, ranks):
        """Return it for k = 1."""
        return cls(1)(ranks)


@pytest.mark.parametrize(
    ("function", "name", "k"),
    [
        (hit, "hit", 10),
        (hit_by_name, "hit-by-name", 10),
        (hit_by_place, "hit-by-place", 10),
        (hit_with_more, "hit-with-more", 10),
        (partial(hit, k=5), "hit", 5),
        (partial(hit_by_name, k=5), "hit-by-name", 5),
        (partial(hit_after, 5), "hit-after", 5),
        (partial(hit_after, k=5), "hit-after", 5),
        (lambda ranks, k=3: ranks <= k, "lambda", 3),
        (Hit(4), "hit", 4),
        (Hit(4).of, "of", 4),
        (Hit.first, "first", 1),
        (partial(Hit(4).of, k=2), "of", 2),
    ],
)
def test_a_callable_of_ranks(function, name, k):
    """Parameters with a default keep it; the ranks are given by name, or by place where they have no other way."""
    (metric,) = custom_metrics([Given.of(function)])

    assert (name, RANKS) == (metric.name, metric.reads)
    np.testing.assert_array_equal(np.arange(1, 13) <= k, metric.values(12, np.arange(1.0, 13.0)))


@pytest.mark.parametrize("function", [target_score, target_score_by_place])
def test_the_order_of_parameters_is_free(function):
    """Each gets what its name says."""
    (metric,) = custom_metrics([Given.of(function)])
    scores, targets = np.arange(6.0).reshape(2, 3), np.array([2, 0])

    assert SCORES == metric.reads
    np.testing.assert_array_equal([2.0, 3.0], metric.values(2, scores, targets))


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (hit_after, r"\(k, ranks\)"),
        (lambda *ranks: ranks, r"\(\*ranks\)"),
        (lambda ranks, scores=None: ranks, r"\(ranks, scores=None\)"),
        (lambda ranks=None: ranks, r"\(ranks=None\)"),
        (lambda scores, clicked, targets: scores, r"\(scores, clicked, targets\)"),
        (partial(hit, ranks=3), r"\(\*, ranks=3, k=10\)|\(ranks=3, k=10\)"),
        (print, r"\(\*args.*"),
    ],
)
def test_what_is_not_clear_is_refused(function, got):
    """A parameter without a value, and one that has a default though its name says that it would be given."""
    with pytest.raises(
        ConfigurationError,
        match=rf"must be a function with the parameters \(ranks\).*, got {got}; give each other parameter a default, or its "
        r"value by functools\.partial",
    ):
        custom_metrics([Given.of(function)])


def test_two_of_one_function_need_names():
    """A partial takes an attribute ``name``, as any object does."""
    five, two = partial(hit, k=5), partial(hit, k=2)

    with pytest.raises(
        ConfigurationError, match="two metrics are called 'hit'; give the function another name, or an attr"
    ):
        custom_metrics([Given.of(five), Given.of(two)])
    five.name, two.name = "hit_5", "hit-2"
    metrics = custom_metrics([Given.of(five), Given.of(two)])

    assert [("hit-5", 5), ("hit-2", 2)] == [(each.name, each.values(9, np.arange(1.0, 10.0)).sum()) for each in metrics]
