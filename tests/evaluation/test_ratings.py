"""Ratings: metrics by hand and by scikit-learn, baselines that see past ratings alone."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error

from shortstack.data.sequences import Sequences
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError
from shortstack.evaluation.comparisons import compare_all
from shortstack.evaluation.raters import ConstantRater, UserMean
from shortstack.evaluation.ratings import Predictions, RatingCases, RatingEvaluator

SCALE = [1.0, 2.0, 3.0, 4.5]


def rated(histories):
    """Return sequences of users' options, oldest first; the last of each is test, the one before valid."""
    splits = [code for h in histories for code in [0] * (len(h) - 2) + [1, 2][-len(h) :]]
    flat = np.array([option for history in histories for option in history], dtype=np.int64)
    return Sequences(
        items=np.arange(len(flat)),
        offsets=np.cumsum([0, *map(len, histories)]),
        splits=np.array(splits, dtype=np.int8),
        catalogue_size=len(flat),
        ratings=flat,
    )


HISTORIES = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=6), min_size=1, max_size=6)


class Guess:
    """A rater that returns given predictions."""

    def __init__(self, values):
        self.values = values

    def predict(self, cases):
        """Return values, and the nearest options."""
        values = np.array(self.values[: len(cases)], dtype=np.float64)
        return Predictions(values=values, options=np.abs(values[:, None] - cases.scale).argmin(1))


@given(HISTORIES, st.lists(st.floats(1, 5), min_size=6, max_size=6))
def test_errors_are_those_of_scikit_learn(histories, guesses):
    """Errors equal scikit-learn's, over one case per user."""
    cases = RatingCases.of(rated(histories), SCALE, "test")
    metrics = RatingEvaluator(resamples=20).evaluate(Guess(guesses), cases).metrics
    truth, predicted = cases.scale[cases.targets], guesses[: len(cases)]

    assert metrics["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    assert metrics["mse"] == pytest.approx(mean_squared_error(truth, predicted))
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(truth, predicted))
    assert metrics["accuracy±0.5"] == pytest.approx(
        np.mean([abs(a - b) <= 0.5 + 1e-9 for a, b in zip(truth, predicted, strict=True)])
    )
    assert metrics["loss"] is None


@given(HISTORIES)
def test_floors_see_the_past_alone(histories):
    """The test ratings can be anything: no prediction changes."""
    sequences = rated(histories)
    before = [option for history in histories for option in history[:-1]]
    other = rated([[*history[:-1], 3 - history[-1]] for history in histories])
    for baseline in (ConstantRater.mode, ConstantRater.mean, UserMean.fit):
        first, second = (
            baseline(each, SCALE).predict(RatingCases.of(each, SCALE, "test")).values for each in (sequences, other)
        )
        assert first.tolist() == second.tolist()
    assert ConstantRater.mean(sequences, SCALE).value == pytest.approx(np.mean([SCALE[option] for option in before]))
    assert ConstantRater.mode(sequences, SCALE).value == SCALE[int(np.bincount(before, minlength=4).argmax())]
    predicted = UserMean.fit(sequences, SCALE).predict(RatingCases.of(sequences, SCALE, "test")).values
    assert predicted.tolist() == pytest.approx(
        [np.mean([SCALE[option] for option in history[:-1]]) for history in histories]
    )


def test_a_user_without_a_past_gets_the_mean_of_all():
    """A user without history gets the global mean."""
    sequences = Sequences(
        items=np.arange(4),
        offsets=np.array([0, 3, 4]),
        splits=np.array([0, 0, 0, 2], dtype=np.int8),
        catalogue_size=4,
        ratings=np.array([0, 1, 2, 3]),
    )
    assert UserMean.fit(sequences, SCALE).predict(RatingCases.of(sequences, SCALE, "test")).values.tolist() == [2.0]


def test_intervals_of_a_root_are_roots():
    """RMSE is not a mean of cases; its interval is that of the mean square, under the root."""
    cases = RatingCases.of(rated([[0, 1, option % 4] for option in range(40)]), SCALE, "test")
    first, second = (RatingEvaluator(resamples=200).evaluate(ConstantRater(value=value), cases) for value in (2.0, 3.0))

    assert first.intervals["rmse"] == pytest.approx(np.sqrt(first.intervals["mse"]))
    compared = compare_all(first, second, ("rmse", "accuracy"))
    assert compared["rmse"].difference[0] == pytest.approx(first.metrics["rmse"] - second.metrics["rmse"])
    assert compared["rmse"].difference[1] <= compared["rmse"].difference[0] <= compared["rmse"].difference[2]


def test_bad_questions_and_answers():
    """Missing ratings, missing cases and non-finite predictions are refused."""
    sequences = rated([[0, 1, 2]])
    with pytest.raises(ConfigurationError, match="needs sequences with ratings"):
        RatingCases.of(
            Sequences(items=sequences.items, offsets=sequences.offsets, splits=sequences.splits, catalogue_size=3),
            SCALE,
            "test",
        )
    with pytest.raises(EmptyDataError, match="the split 'test' has no interactions"):
        RatingCases.of(
            rated([[0]]).__class__(
                items=np.arange(1),
                offsets=np.array([0, 1]),
                splits=np.zeros(1, np.int8),
                catalogue_size=1,
                ratings=np.zeros(1, np.int64),
            ),
            SCALE,
            "test",
        )
    with pytest.raises(NonFiniteError, match="Guess predicts a NaN or infinite rating"):
        RatingEvaluator().evaluate(Guess([float("nan")]), RatingCases.of(sequences, SCALE, "test"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(2), "gave a ndarray; a rater's predict(cases) gives shortstack.evaluation.ratings.Predictions"),
        (
            Predictions(values=np.ones(1), options=np.zeros(2, np.int64)),
            "gave values of shape (1,), where 2 cases need the shape (2,)",
        ),
        (
            Predictions(values=np.ones(2), options=np.zeros((2, 1), np.int64)),
            "gave options of shape (2, 1), where 2 cases need the shape (2,)",
        ),
        (
            Predictions(values=np.ones(2), options=np.zeros(2, np.int64), chances=np.ones((2, 3))),
            "gave chances of shape (2, 3), where 2 cases need the shape (2, 4)",
        ),
    ],
)
def test_one_prediction_a_case(given, message):
    """One number would be repeated for all cases, and a column compared with each of them."""
    rater = SimpleNamespace(predict=lambda _cases: given)
    with pytest.raises(ConfigurationError, match=f"^SimpleNamespace {re.escape(message)}$"):
        RatingEvaluator().evaluate(rater, RatingCases.of(rated([[0, 1, 2], [1, 2, 3]]), SCALE, "test"))


def test_lists_are_predicted_from_one_history():
    """With random ratings the user mean, which ignores items, orders a user's own items as a constant does."""
    generator = np.random.default_rng(0)
    users, each = 400, 6
    made = Sequences(
        items=np.arange(users * each) % 7,
        offsets=np.arange(0, users * each + 1, each),
        splits=np.tile(np.array([0, 0, 0, 2, 2, 2], dtype=np.int8), users),
        catalogue_size=7,
        ratings=generator.integers(0, 4, users * each),
    )
    cases = RatingCases.of(made, SCALE, "test")
    metrics = [
        RatingEvaluator(resamples=10).evaluate(rater, cases).metrics
        for rater in (UserMean.fit(made, SCALE), ConstantRater.mean(made, SCALE))
    ]
    for metric in ("ndcg@5", "ndcg@10", "mrr"):
        assert metrics[0][metric] == pytest.approx(metrics[1][metric])
    lists, places = cases.lists()
    assert (lists.seen == lists.starts + 3).all()
    assert (cases.rows[places] == lists.rows).all()


def test_nothing_is_asked_twice():
    """Predictions are reused for lists; without lists no further predictions are made."""
    made = Sequences(
        items=np.arange(8),
        offsets=np.array([0, 4, 8]),
        splits=np.array([0, 2, 2, 2] * 2, dtype=np.int8),
        catalogue_size=8,
        ratings=np.array([1, 0, 2, 1, 1, 3, 3, 3]),
    )
    calls = []

    class Asked:
        def predict(self, cases):
            calls.append(list(zip(cases.rows.tolist(), cases.seen.tolist(), strict=True)))
            return Predictions(values=cases.rows.astype(np.float64), options=np.zeros(len(cases), dtype=np.int64))

    cases = RatingCases.of(made, SCALE, "test")
    full = RatingEvaluator(resamples=10).evaluate(Asked(), cases).metrics
    plain = RatingEvaluator(resamples=10, lists=False).evaluate(Asked(), cases).metrics
    every = [(row, row) for row in (1, 2, 3, 5, 6, 7)]
    assert calls == [every, [(2, 1), (3, 1)], every]
    assert {"ndcg@5", "ndcg@10", "mrr"} == full.keys() - plain.keys()
    assert plain == {name: full[name] for name in plain}


def test_scales_below_nothing():
    """Gains start at 0 then: the right order has 1, and nothing has more."""
    made = Sequences(
        items=np.array([0, 1, 2]),
        offsets=np.array([0, 3]),
        splits=np.array([0, 2, 2], dtype=np.int8),
        catalogue_size=3,
        ratings=np.array([1, 0, 2]),
    )
    cases = RatingCases.of(made, [-1.0, 0.0, 1.0], "test")

    class Told:
        def __init__(self, *values):
            self._values = values

        def predict(self, cases):
            predicted = np.array(self._values, dtype=np.float64)[cases.rows - 1]
            return Predictions(values=predicted, options=np.zeros(len(predicted), dtype=np.int64))

    right, wrong = (RatingEvaluator(resamples=10).evaluate(Told(*v), cases).metrics for v in ((0, 1), (1, 0)))
    assert right["ndcg@5"] == 1
    assert 0 < wrong["ndcg@5"] < 1


def test_a_probability_of_nothing():
    """A probability of 0 gives a finite loss, and no warning."""
    made = Sequences(
        items=np.array([0, 1]), offsets=np.array([0, 2]), splits=np.array([0, 2], dtype=np.int8), catalogue_size=2,
        ratings=np.array([0, 1]),
    )  # fmt: skip

    class Sure:
        def predict(self, cases):
            return Predictions(values=np.array([1.0]), options=np.array([0]), chances=np.array([[1.0, 0.0, 0.0, 0.0]]))

    evaluation = RatingEvaluator(resamples=10).evaluate(Sure(), RatingCases.of(made, SCALE, "test"))
    assert 700 < evaluation.metrics["loss"] < 710
