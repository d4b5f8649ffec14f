"""The candidates of a case are a function of its history alone, never of its target."""

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shortstack.data.sequences import Cases
from shortstack.errors import ConfigurationError, EmptyDataError, UnknownNameError
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.protocols import SampledNegatives
from shortstack.evaluation.slices import Slices

ITEMS = 12
histories = st.lists(st.integers(0, ITEMS - 1), max_size=9)
targets = st.integers(0, ITEMS - 1)


@attrs.frozen(eq=False)
class Fixed:
    """A ranker that gives every history the same scores."""

    row: list[float]
    scores_are_logits: bool = False

    def scores(self, histories):
        """Return one row, repeated."""
        return torch.tensor([self.row] * len(histories))


@attrs.frozen(eq=False)
class Seen:
    """A ranker that scores items only by whether the history holds them."""

    worth: float
    scores_are_logits: bool = False

    def scores(self, histories):
        """Return a fixed score for seen items, and 0 for all others."""
        values = torch.zeros(len(histories), ITEMS)
        for row, history in zip(values, histories, strict=True):
            row[torch.from_numpy(history)] = self.worth
        return values


def cases_of(*pairs):
    """Return one case per user: a history, and a target that need not follow it."""
    lengths = [len(history) for history, _ in pairs]
    stops = np.cumsum(lengths)
    return Cases(
        users=np.arange(len(pairs)),
        targets=np.array([target for _, target in pairs], dtype=np.int64),
        starts=stops - lengths,
        stops=stops,
        items=np.array([item for history, _ in pairs for item in history], dtype=np.int64),
    )


def candidates_of(evaluator, history, target):
    """Return the items that a target is ranked among, itself included: those that can be ranked before it."""
    candidates = {target}
    for item in set(range(ITEMS)) - candidates:
        row = [2.0 if i == item else 1.0 if i == target else 0.0 for i in range(ITEMS)]
        if evaluator.evaluate(Fixed(row), cases_of((history, target))).ranks[0] == 2:
            candidates.add(item)
    return candidates


@given(histories, st.sampled_from(["full", "sampled"]))
@pytest.mark.full
def test_the_candidates_are_a_function_of_the_history_alone(history, protocol):
    """Every target has the same: the unseen items, or all; a target that was seen is then left out, or one of them."""
    excluding, including = (
        RecommendationEvaluator(protocol=protocol, seen=s, resamples=1) for s in ("exclude", "include")
    )

    for target in range(ITEMS):
        assert candidates_of(including, history, target) == set(range(ITEMS))
        if target in history:
            with pytest.raises(EmptyDataError):
                excluding.evaluate(Fixed([0.0] * ITEMS), cases_of((history, target)))
        else:
            assert candidates_of(excluding, history, target) == set(range(ITEMS)) - set(history)


@given(st.lists(st.integers(0, 199), max_size=60), st.lists(st.integers(0, 199), min_size=2, max_size=2), st.data())
def test_exchanging_the_target_leaves_the_negatives(history, both, data):
    """Exchanging the target leaves the sampled negatives, apart from the two targets, of equal seen status."""
    seen = data.draw(st.sampled_from(["exclude", "include"]))
    protocol = SampledNegatives(seed=data.draw(st.integers(0, 9)), seen=seen, negatives=20)
    if len({target in history for target in both}) == 2 or (seen == "exclude" and both[0] in history):
        return
    first, second = (set(protocol.draw(cases_of((history, t)), 0, 200).tolist()) - set(both) for t in both)

    assert len(first ^ second) <= 2, "what takes the place of a target that was drawn"
    assert {i for i in first if i in history} == {i for i in second if i in history}


@given(st.lists(st.tuples(histories, targets), min_size=1, max_size=8), st.sampled_from([-1.0, 1.0]))
def test_who_knows_only_seen_or_not_is_at_chance_within_each_status(pairs, worth):
    """Neither rule gives the answer away: among candidates of its own status a target stands in the middle."""
    cases = cases_of(*pairs)
    for protocol in ("full", "sampled"):
        evaluation = RecommendationEvaluator(protocol=protocol, seen="include", resamples=1).evaluate(
            Seen(worth), cases
        )
        for rank, (history, target) in zip(evaluation.ranks, pairs, strict=True):
            known = len(set(history))
            alike, others = (known, ITEMS - known) if target in history else (ITEMS - known, known)
            before = others if (target in history) == (worth < 0) else 0
            assert rank == 1 + before + (alike - 1) / 2

    unseen = [pair for pair in pairs if pair[1] not in pair[0]]
    if unseen:
        evaluation = RecommendationEvaluator(seen="exclude", resamples=1).evaluate(Seen(worth), cases)
        assert evaluation.ranks.tolist() == [1 + (ITEMS - len(set(history)) - 1) / 2 for history, _ in unseen]


@given(st.lists(st.tuples(histories, targets), min_size=1, max_size=8))
def test_repeats_are_those_of_a_loop(pairs):
    """Repeats do not depend on other users or on the same user's later items."""
    assert cases_of(*pairs).repeats.tolist() == [target in history for history, target in pairs]


def test_left_out_cases_are_counted():
    """Two of three targets are new; ranks, users and targets are theirs, and say which cases they are of."""
    cases = cases_of(([1, 2], 2), ([1, 2], 3), ([], 2))

    evaluation = RecommendationEvaluator(resamples=1).evaluate(Seen(1.0), cases)

    assert evaluation.rows.tolist() == [1, 2]
    assert evaluation.targets.tolist() == [3, 2]
    assert evaluation.facts == {"evaluated": 2, "users": 2, "repeats": 1, "left_out": 1, "without_history": 1}
    including = RecommendationEvaluator(resamples=1, seen="include").evaluate(Seen(1.0), cases)
    assert including.facts == {"evaluated": 3, "users": 3, "repeats": 1, "left_out": 0, "without_history": 1}
    with pytest.raises(
        ConfigurationError, match="only evaluations of the same cases can be compared, and these differ"
    ):
        RecommendationEvaluator(resamples=1).compare(evaluation, including)


def test_repeats_have_a_slice_of_their_own(leave_last):
    """Repeats are a slice of their own, as they are easier than first-time items."""
    sequences = leave_last([[1, 2, 1], [3, 4, 5]], ITEMS)
    evaluator = RecommendationEvaluator(seen="include", slices=Slices.fit(sequences), resamples=1)

    metrics = evaluator.evaluate(Seen(1.0), sequences.cases("test")).metrics

    assert metrics["mrr@10/repeat"] == pytest.approx(1 / 1.5), "between both seen items"
    assert metrics["hr@10/first-time"] == 1.0, "the middle of ten unseen items after two seen ones is 7.5"
    assert metrics["mrr@10/first-time"] == pytest.approx(1 / 7.5)


def test_nothing_left_to_evaluate_is_an_error():
    """If the rule excludes every case, evaluation raises."""
    message = (
        r"^each of the 1 cases has a target that is in its history, and seen = 'exclude' leaves such cases out, so none"
    )
    with pytest.raises(EmptyDataError, match=message):
        RecommendationEvaluator().evaluate(Seen(1.0), cases_of(([1, 2], 2)))


def test_a_rule_that_is_none_is_named():
    """An unknown rule is named; there are only two."""
    with pytest.raises(UnknownNameError, match=r"unknown rule for seen items 'excluded'; did you mean 'exclude'\?"):
        RecommendationEvaluator(seen="excluded")
