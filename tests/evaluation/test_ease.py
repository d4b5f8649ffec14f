"""EASE against its own definition, solved item by item with least squares."""

import numpy as np
import pytest

from shortstack.data.interactions import Interactions
from shortstack.data.splits import split
from shortstack.errors import ConfigurationError
from shortstack.evaluation import ease
from shortstack.evaluation.ease import EASE, GRID
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.rankers import Ranker
from shortstack_datasets.movielens import MovieLens

PENALTY = 7.0


def by_least_squares(had, penalty):
    """Solve each item's ridge regression on all others by itself."""
    items = had.shape[1]
    weights = np.zeros((items, items))
    for item in range(items):
        others = np.delete(np.arange(items), item)
        rows = np.vstack([had[:, others], np.sqrt(penalty) * np.identity(items - 1)])
        weights[others, item] = np.linalg.lstsq(rows, np.append(had[:, item], np.zeros(items - 1)))[0]
    return weights


def test_the_weights_solve_the_regressions(random_sequences):
    """All at once is each by itself; an item does not predict itself, and repeats count once."""
    histories = random_sequences.upto("train")
    had = np.zeros((len(histories), random_sequences.catalogue_size))
    for user, history in enumerate(histories):
        had[user, history] = 1.0

    fitted = EASE.fit(random_sequences, penalty=PENALTY)
    assert fitted.weights == pytest.approx(by_least_squares(had, PENALTY), abs=1e-6)
    assert not np.diag(fitted.weights).any()


def test_scores_are_sums_of_weights(random_sequences):
    """Of the items of a history, each once; a case without history has zeros, and no case at all no scores."""
    fitted = EASE.fit(random_sequences)
    scores = fitted.scores([np.array([3, 5, 3]), np.array([], dtype=np.int64)]).numpy()

    assert isinstance(fitted, Ranker)
    assert scores[0] == pytest.approx(fitted.weights[3] + fitted.weights[5], abs=1e-6)
    assert not scores[1].any()
    assert tuple(fitted.scores([]).shape) == (0, 40)


def test_validation_users_choose_the_penalty(random_sequences, monkeypatch):
    """The one whose fit on the training part ranks their items best; the last fit has the validation part too."""
    evaluator, cases = RecommendationEvaluator(cutoffs=(10,)), random_sequences.cases("valid")
    quality = {
        penalty: evaluator.evaluate(EASE.fit(random_sequences, "train", penalty), cases).metrics["ndcg@10"]
        for penalty in GRID
    }
    chosen = EASE.tuned(random_sequences, "valid")

    assert quality[chosen.penalty] == max(quality.values())
    assert np.array_equal(chosen.weights, EASE.fit(random_sequences, "valid", chosen.penalty).weights)
    monkeypatch.setattr(ease, "MOST_ITEMS", 39)
    with pytest.raises(
        ConfigurationError, match=r"there are 40, more than 39; leave it out of evaluation\.baselines, or"
    ):
        EASE.tuned(random_sequences)


@pytest.mark.full
def test_real_ratings(shared_data):
    """On ML-100K, leave-last: the figure that the weights of RecTools 0.19 give, which differ by 1.5e-8 at most."""
    records = MovieLens().read(shared_data / "movielens/ml-100k")
    sequences = split(Interactions.from_records(records, core=0, ties="file", seed=0))
    metrics = (
        RecommendationEvaluator(resamples=1).evaluate(EASE.tuned(sequences, "valid"), sequences.cases("test")).metrics
    )

    assert metrics["ndcg@10"] == pytest.approx(0.0723, abs=0.0005)
