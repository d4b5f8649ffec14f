"""The evaluator as a whole."""

import math
import re
from functools import partial
from types import SimpleNamespace

import attrs
import numpy as np
import pytest
import torch

from shortstack.contracts.headlines import HEADLINES
from shortstack.errors import ConfigurationError, NonFiniteError, PluginError, UnknownNameError
from shortstack.evaluation.baselines import Popularity
from shortstack.evaluation.comparisons import standard_comparisons
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.slices import Slices


def noise(items=40, seed=0):
    """Return random scores for histories of up to 15 items."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(16, items)).astype(np.float32))


def test_metrics_are_means_of_a_loop(random_sequences, table_ranker):
    """Metrics are means of a plain Python loop over ranks among unseen items."""
    cases, table = random_sequences.cases("test"), noise()
    evaluation = RecommendationEvaluator(cutoffs=(3, 10)).evaluate(table_ranker(table), cases)

    ranks = []
    for case in range(len(cases)):
        history, target = cases.history(case), cases.targets[case]
        scores = table[len(history)]
        ranks.append(1 + sum(bool(scores[i] > scores[target]) for i in range(40) if i not in history))

    assert ranks == evaluation.ranks.tolist()
    assert np.mean([rank <= 3 for rank in ranks]) == pytest.approx(evaluation.metrics["hr@3"])
    expected = np.mean([1 / math.log2(rank + 1) if rank <= 10 else 0 for rank in ranks])
    assert expected == pytest.approx(evaluation.metrics["ndcg@10"])


def test_a_constant_scorer_does_not_look_good(random_sequences, table_ranker):
    """A collapsed model puts every target in the middle: no hits at 10 among 26 or more unseen items."""
    evaluation = RecommendationEvaluator().evaluate(table_ranker(torch.zeros(16, 40)), random_sequences.cases("test"))

    assert evaluation.metrics["hr@10"] == 0.0
    assert evaluation.ranks.min() >= 13.5, "half of the 26 to 39 unseen items stand before the target"


@pytest.mark.parametrize("tied", [False, True])
def test_few_rows_of_a_large_catalogue_at_once(random_sequences, table_ranker, monkeypatch, tied):
    """Ranks and losses are the same, to the bit, if the scores of three cases fill the memory; ties as well."""
    cases = random_sequences.cases("test")
    table = noise().round() if tied else noise()
    whole = RecommendationEvaluator().evaluate(table_ranker(table, scores_are_logits=True), cases)
    monkeypatch.setattr("shortstack.models.top_scores.SCORES", 3 * 40)
    parts = RecommendationEvaluator().evaluate(table_ranker(table, scores_are_logits=True), cases)

    assert whole.ranks.tolist() == parts.ranks.tolist()
    assert whole.metrics == parts.metrics


def test_the_loss_is_that_of_a_softmax_over_the_whole_catalogue(random_sequences, table_ranker):
    """Logits have a loss, seen items included; other scores have none."""
    cases, table = random_sequences.cases("test"), noise()
    evaluator = RecommendationEvaluator()

    probabilities = torch.softmax(table.double(), dim=1)
    expected = [-math.log(probabilities[len(cases.history(i)), cases.targets[i]]) for i in range(len(cases))]

    logits = evaluator.evaluate(table_ranker(table, scores_are_logits=True), cases)
    assert np.mean(expected) == pytest.approx(logits.metrics["loss"], rel=1e-6)
    scores = evaluator.evaluate(table_ranker(table), cases)
    assert scores.metrics["loss"] is None
    assert scores.intervals["loss"] is None


def test_slices_divide_the_cases(random_sequences, table_ranker):
    """A metric on a slice is its mean over the slice's cases; a slice without cases has none."""
    slices, cases = Slices.fit(random_sequences), random_sequences.cases("test")
    evaluation = RecommendationEvaluator(slices=slices).evaluate(table_ranker(noise()), cases)
    head = slices.head[cases.targets]

    assert evaluation.values["ndcg@10"][head].mean() == pytest.approx(evaluation.metrics["ndcg@10/head"])
    assert evaluation.values["ndcg@10"][~head].mean() == pytest.approx(evaluation.metrics["ndcg@10/tail"])
    low, high = evaluation.intervals["ndcg@10/head"]
    assert low <= evaluation.metrics["ndcg@10/head"] <= high


def test_every_metric_has_an_interval_that_holds_it(random_sequences, table_ranker):
    """Value and interval go together, and the ten that all else rests on is always among the cutoffs."""
    evaluation = RecommendationEvaluator(cutoffs=(1, 20)).evaluate(
        table_ranker(noise(), scores_are_logits=True), random_sequences.cases("test")
    )

    assert list(evaluation.metrics) == list(evaluation.intervals)
    assert [name for name in evaluation.metrics if name.startswith("hr@")] == ["hr@1", "hr@10", "hr@20"]
    for metric, value in evaluation.metrics.items():
        low, high = evaluation.intervals[metric]
        assert low <= value <= high


def test_comparisons_are_paired(random_sequences, table_ranker):
    """Comparisons are paired: a ranker against itself has ratio 1, difference 0, and zero-width intervals."""
    evaluator, cases = RecommendationEvaluator(), random_sequences.cases("test")
    evaluation = evaluator.evaluate(table_ranker(noise()), cases)

    comparison = evaluator.compare(evaluation, evaluation)

    assert pytest.approx(comparison.ratio) == (1.0, 1.0, 1.0)
    assert pytest.approx(comparison.difference) == (0.0, 0.0, 0.0)


def test_a_difference_is_that_of_the_resampled_means(random_sequences, table_ranker):
    """A difference has the interval of the cases' differences, since both models see the same users."""
    evaluator, cases = RecommendationEvaluator(resamples=400), random_sequences.cases("test")
    first, second = (evaluator.evaluate(table_ranker(noise(seed=seed)), cases) for seed in (1, 2))
    both = attrs.evolve(first, values={"ndcg@10": first.values["ndcg@10"] - second.values["ndcg@10"]})

    comparison = evaluator.compare(first, second)

    assert (both.metrics["ndcg@10"], *both.intervals["ndcg@10"]) == pytest.approx(comparison.difference)


def test_what_cannot_be_compared_is_none(random_sequences, table_ranker):
    """Ratios over zero are None, and so are comparisons of a loss that baselines do not have."""
    evaluator, cases = RecommendationEvaluator(), random_sequences.cases("test")
    some = evaluator.evaluate(table_ranker(noise()), cases)
    none = evaluator.evaluate(table_ranker(torch.zeros(16, 40)), cases)

    assert evaluator.compare(some, none).ratio is None
    assert evaluator.compare(some, none).difference[0] == pytest.approx(some.metrics["ndcg@10"])
    assert evaluator.compare(some, none, "loss").difference is None


def test_standard_comparisons_name_their_kind(random_sequences, table_ranker):
    """A slash is a ratio, a minus a difference; methods that are missing are left out."""
    evaluator, cases = RecommendationEvaluator(resamples=50), random_sequences.cases("test")
    student, teacher = (evaluator.evaluate(table_ranker(noise(seed=seed)), cases) for seed in (1, 2))

    comparisons = standard_comparisons({"student": student, "teacher": teacher}, HEADLINES)

    assert list(comparisons) == ["student/teacher", "student-teacher"]
    expected = student.metrics["ndcg@10"] / teacher.metrics["ndcg@10"]
    assert expected == pytest.approx(comparisons["student/teacher"]["ndcg@10"][0])


def test_cases_without_history_are_counted(leave_last):
    """A user with a single interaction has nothing before it."""
    sequences = leave_last([[1], [0, 2, 1]], 3)

    evaluation = RecommendationEvaluator().evaluate(Popularity.fit(sequences), sequences.cases("test"))

    assert evaluation.without_history == 1


def test_the_sampled_protocol_is_fixed_by_its_seed(leave_last, table_ranker):
    """Two evaluations agree to the bit; another seed draws others."""
    generator = np.random.default_rng(0)
    sequences = leave_last([generator.choice(3000, size=5, replace=False).tolist() for _ in range(30)], 3000)
    ranker, cases = table_ranker(noise(items=3000)), sequences.cases("test")

    first, again, other = (
        RecommendationEvaluator(protocol="sampled", seed=seed).evaluate(ranker, cases).ranks for seed in (0, 0, 1)
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.max() <= 1000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_refused(leave_last, table_ranker, value):
    """A NaN compares as false with everything and would rank first."""
    sequences = leave_last([[0, 1, 2]], 3)
    table = torch.zeros(16, 3)
    table[2, 0] = value

    with pytest.raises(NonFiniteError, match=r"^TableRanker gave a NaN or infinite score for case 0; such a model"):
        RecommendationEvaluator().evaluate(table_ranker(table), sequences.cases("test"))


def test_scores_of_the_wrong_shape_are_refused(leave_last, table_ranker):
    """One column an item: a target without a column is no answer."""
    sequences = leave_last([[0, 1, 2]], 3)

    with pytest.raises(ConfigurationError, match=r"scores of shape \(1, 2\) for 1 cases with items up to 2; a ranker"):
        RecommendationEvaluator().evaluate(table_ranker(torch.zeros(16, 2)), sequences.cases("test"))


@pytest.mark.parametrize("seen", ["exclude", "include"])
@pytest.mark.parametrize("protocol", ["full", "sampled"])
def test_each_item_of_a_history_needs_a_column(leave_last, table_ranker, seen, protocol):
    """Also one that is nobody's target: it is a candidate, or one to leave out."""
    sequences = leave_last([[3, 1, 2], [0, 2, 1]], 4)
    evaluator = RecommendationEvaluator(seen=seen, protocol=protocol)

    with pytest.raises(ConfigurationError, match=r"scores of shape \(2, 3\) for 2 cases with items up to 3; a ranker"):
        evaluator.evaluate(table_ranker(torch.zeros(16, 3)), sequences.cases("test"))


TIED = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (16, 40)))


@pytest.mark.parametrize("seen", ["exclude", "include"])
@pytest.mark.parametrize(
    "kind",
    [torch.Tensor.long, torch.Tensor.bool, torch.Tensor.half, lambda scores: scores.double().T.contiguous().T],
    ids=["whole numbers", "truth values", "half", "transposed"],
)
def test_scores_of_any_kind_are_ranked_as_numbers(random_sequences, table_ranker, kind, seen):
    """A seen item is left out of counts and truth values too; ties are halves, as a plain loop has them."""
    cases, table = random_sequences.cases("test"), kind(TIED)
    ranks = RecommendationEvaluator(seen=seen).evaluate(table_ranker(table), cases).ranks

    expected = []
    for case in range(len(cases)):
        scores = [float(score) for score in table[len(cases.history(case))]]
        target = int(cases.targets[case])
        others = [i for i in range(40) if i != target and (seen == "include" or i not in cases.history(case))]
        above, level = (sum(test(scores[i]) for i in others) for test in (scores[target].__lt__, scores[target].__eq__))
        expected.append(1 + above + level / 2)
    assert ranks.tolist() == expected


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (np.zeros((1, 3)), "ndarray"),
        ([[0.0] * 3], "list"),
        (None, "NoneType"),
        (torch.zeros(1, 3).to_sparse(), "a torch.sparse_coo tensor of torch.float32"),
        (torch.zeros(1, 3, dtype=torch.complex64), "a torch.strided tensor of torch.complex64"),
    ],
)
def test_what_is_no_dense_tensor_is_refused(leave_last, given, kind):
    """The message says what came, where the evaluation ended in an error of a library."""
    ranker = SimpleNamespace(scores=lambda _histories: given, scores_are_logits=False)
    message = (
        f"SimpleNamespace gave scores as {kind}; a ranker gives a dense tensor of real numbers: convert arrays with"
    )

    with pytest.raises(ConfigurationError, match=re.escape(message)):
        RecommendationEvaluator().evaluate(ranker, leave_last([[0, 1, 2]], 3).cases("test"))


def test_a_ranker_that_fails_is_named(leave_last, table_ranker):
    """Its error is its own, not one of the evaluation."""
    message = r"^ranker TableRanker \(.*conftest:TableRanker\) failed: IndexError: index 2 is out of bounds"
    with pytest.raises(PluginError, match=message):
        RecommendationEvaluator().evaluate(table_ranker(torch.zeros(1, 3)), leave_last([[0, 1, 2]], 3).cases("test"))


def within(ranks, k):
    """Return whether the rank is k or less."""
    return ranks <= k


class Within:
    """The same, as an object."""

    def __call__(self, ranks):
        """Return whether the rank is 5 or less."""
        return ranks <= 5


@pytest.mark.parametrize(
    ("metric", "name"), [(partial(lambda k, ranks: within(ranks, k), 5), "lambda"), (Within(), "within")]
)
def test_metrics_that_are_no_functions(random_sequences, table_ranker, metric, name):
    """A partial and an object that can be called have no name of their own, and count as a function does."""
    evaluator = RecommendationEvaluator(cutoffs=(5,), metrics=(metric,))
    metrics = evaluator.evaluate(table_ranker(TIED), random_sequences.cases("test")).metrics

    assert metrics[name] == metrics["hr@5"] > 0


def test_a_metric_is_finite_or_undefined(random_sequences, table_ranker):
    """A mean with an infinite number would be infinite."""
    evaluator = RecommendationEvaluator(metrics=(lambda ranks: np.where(ranks < 3, ranks, np.inf),))
    with pytest.raises(
        ConfigurationError, match=r"^the metric 'lambda' gave an infinite number, .*; give NaN for a case"
    ):
        evaluator.evaluate(table_ranker(TIED), random_sequences.cases("test"))


def test_unlike_cases_are_not_compared(random_sequences, table_ranker):
    """Rankers with other users or targets are not compared."""
    evaluator, ranker = RecommendationEvaluator(), table_ranker(noise())
    test, valid = (evaluator.evaluate(ranker, random_sequences.cases(split)) for split in ("test", "valid"))

    with pytest.raises(ConfigurationError, match="only evaluations of the same cases can be compared"):
        evaluator.compare(test, valid)


def test_wrong_settings_are_named(random_sequences, table_ranker):
    """Each error says what is allowed."""
    evaluator = RecommendationEvaluator()
    evaluation = evaluator.evaluate(table_ranker(noise()), random_sequences.cases("test"))

    with pytest.raises(UnknownNameError, match=r"unknown metric 'ndgc@10'; did you mean 'ndcg@10'\?"):
        evaluator.compare(evaluation, evaluation, "ndgc@10")
    with pytest.raises(UnknownNameError, match=r"unknown evaluation protocol 'smpled'; did you mean 'sampled'\?"):
        RecommendationEvaluator(protocol="smpled")
    with pytest.raises(ConfigurationError, match=r"cutoffs must be one or more whole numbers from 1, got \[0, 5\]"):
        RecommendationEvaluator(cutoffs=(0, 5))
    with pytest.raises(ConfigurationError, match="resamples must be at least 1, got 0; 1000 is usual"):
        RecommendationEvaluator(resamples=0)
