"""Evaluations whose cases processes share are those of one, to the last bit."""

import numpy as np
import pytest
import torch
from processes.several import in_processes
from processes.test_training import tiny

from shortstack.data.impressions import Impressions
from shortstack.data.rated_histories import RatedHistories
from shortstack.data.sequences import Cases
from shortstack.evaluation import evaluator as evaluation
from shortstack.evaluation import impressions as impression_evaluation
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.impressions import ImpressionEvaluator
from shortstack.evaluation.rankers import ModelRanker
from shortstack.evaluation.raters import ModelRater
from shortstack.evaluation.ratings import RatingCases, RatingEvaluator


def cases():
    """Return cases with histories of all lengths."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(0, 6, 41)
    stops = np.cumsum(lengths + 1)
    items = draw.integers(0, 12, int(stops[-1]))
    starts, stops = stops - lengths - 1, stops - 1
    return Cases(items=items, users=np.arange(41), targets=items[stops], starts=starts, stops=stops)


def least(scores, targets):
    """A metric of scores: that of the target over the least."""
    return (scores.gather(1, targets[:, None])[:, 0] - scores.min(1).values).double().numpy()


def evaluated(world):
    """Every value of an evaluation."""
    evaluator = RecommendationEvaluator(seen="include", resamples=10, metrics=[least], world=world)
    ranker = ModelRanker(model=tiny(2, 8).float(), candidates=torch.arange(1, 13), window=4)
    return evaluator.evaluate(ranker, cases()).values


def test_values(monkeypatch):
    """Ranks, losses and metrics of one's own of eleven batches, of which three processes have four, four and three."""
    monkeypatch.setattr(evaluation, "_CASES", 4)
    (alone,) = in_processes(1, evaluated)
    for several in (*in_processes(2, evaluated), *in_processes(3, evaluated)):
        assert alone.keys() == several.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(several[name], values, err_msg=name)
    assert len(np.unique(alone["least"])) > 20


def rated(world):
    """The predicted ratings of a model: two tokens an interaction, of which the second is one of three ratings."""
    draw = np.random.default_rng(0)
    tokens = np.where(np.arange(120) % 2, draw.integers(10, 13, 120), draw.integers(1, 10, 120))
    histories = RatedHistories(tokens=tokens, offsets=np.arange(0, 121, 2), opening=())
    rows = np.arange(1, 60)
    starts = np.maximum(0, rows - draw.integers(1, 6, 59))
    questions = RatingCases(
        rows=rows, users=rows, starts=starts, seen=rows, ratings=tokens[1::2] - 10, scale=np.array([1.0, 2.0, 3.0])
    )
    options = torch.arange(10, 13)
    rater = ModelRater(model=tiny(2, 8).float(), histories=histories, options=options, window=5, tokens=40, world=world)
    return RatingEvaluator(resamples=10, lists=False).evaluate(rater, questions).values


def shown(world):
    """The metrics of impressions, one of which has clicks alone."""
    draw = np.random.default_rng(0)
    clicks = draw.random((9, 4)) < 0.4
    clicks[3] = True
    impressions = Impressions(
        users=np.arange(9),
        splits=np.full(9, 2, dtype=np.int8),
        read=draw.integers(0, 12, 18),
        read_offsets=np.arange(0, 19, 2),
        shown=np.concatenate([draw.permutation(12)[:4] for _ in range(9)]),
        shown_offsets=np.arange(0, 37, 4),
        clicked=clicks.ravel(),
    )
    ranker = ModelRanker(model=tiny(2, 8).float(), candidates=torch.arange(1, 13), window=4)
    return ImpressionEvaluator(resamples=10, world=world).evaluate(ranker, impressions).values


@pytest.mark.parametrize("evaluate", [rated, shown])
def test_other_tasks(monkeypatch, evaluate):
    """Ratings and impressions are shared in batches too."""
    monkeypatch.setattr(impression_evaluation, "_ROWS", 2)
    (alone,) = in_processes(1, evaluate)
    for several in in_processes(3, evaluate):
        assert alone.keys() == several.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(several[name], values, err_msg=name)
    assert any(len(np.unique(values[~np.isnan(values)])) > 3 for values in alone.values())
