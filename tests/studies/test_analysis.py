"""The numbers of a study's report: settings, intervals, Pareto fronts, ablations, shares, curves, slices."""

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies.made_up import EDITIONS, FAILED, quality, write_study

from shortstack import RunResult, StudyResult
from shortstack.selection.selector import STRATEGIES
from shortstack.selection.strategies import Question
from shortstack.studies.analysis.convergence import curve_of
from shortstack.studies.analysis.findings import findings
from shortstack.studies.analysis.intervals import intervals_in_words
from shortstack.studies.analysis.layers import shares_of
from shortstack.studies.analysis.pareto import Candidate, candidates, front, on_fronts
from shortstack.studies.analysis.problem import _WITHOUT_SCORES
from shortstack.studies.analysis.scorers import kept_by_scorer
from shortstack.studies.analysis.slices import sliced

COORDINATES = st.tuples(st.floats(0, 10), st.floats(0, 1))


def points(pairs):
    """Return candidates of the given costs and qualities."""
    return [
        Candidate(model="student", setting=str(number), series="", cost=cost, quality=quality)
        for number, (cost, quality) in enumerate(pairs)
    ]


def beats(one, other):
    """Return whether one is at least as good in both, and better in one."""
    return (
        one.cost <= other.cost
        and one.quality >= other.quality
        and (one.cost, one.quality) != (other.cost, other.quality)
    )


@given(st.lists(COORDINATES, min_size=1, max_size=12))
def test_a_front_is_what_no_other_beats(pairs):
    """By the definition, pair by pair; of equal points one stands for all."""
    every = points(pairs)
    best = front(every)

    assert {(each.cost, each.quality) for each in best} == {
        (each.cost, each.quality) for each in every if not any(beats(other, each) for other in every)
    }


def test_settings_are_grouped_by_problem(summary):
    """Data sets differ by their editions, settings by what varies in them; the failed run is in none."""
    assert [problem.label for problem in summary.problems] == [*EDITIONS.values()]
    labels = [setting.label for setting in summary.problems[0].settings]
    assert labels[:2] == ["fisher, keep_ratio 0.5", "fisher, keep_ratio 0.25"]
    assert {setting.series for setting in summary.problems[0].settings} == {"fisher", "block-influence", "random"}
    assert {len(setting.runs) for setting in summary.settings} == {2}
    assert list(summary.failed) == [FAILED]


def test_estimates_are_those_of_compare(made_up, summary):
    """The same call as a user's, setting by setting, corrected over all of them."""
    rows = made_up.compare().rows
    by_setting = {tuple(map(str, row.setting.values())): row for row in rows}

    assert len(rows) == len(summary.kept) == 12
    for setting, tested in summary.kept.items():
        row = by_setting[tuple(map(str, setting.values.values()))]
        assert (tested.value, tested.ratio, tested.verdict, tested.p_holm) == (
            row.value,
            row.ratio,
            row.verdict,
            row.p_holm,
        )
        assert summary.estimate(setting, "ndcg@10") == row.value


def test_an_ablation_is_the_mean_over_matched_runs(made_up, summary):
    """As polars joins them: each value with the first, all else equal."""
    table = made_up.to_polars().filter(pl.col("model") == "student")
    keys = ["variant", "selection.keep_ratio", "seed"]
    first = table.filter(pl.col("selection.scorer") == "fisher").select(*keys, pl.col("ndcg@10").alias("first"))
    joined = table.join(first, on=keys).with_columns((pl.col("ndcg@10") - pl.col("first")).alias("change"))

    effects = [effect for effect in summary.ablations if effect.axis == "scorer"]
    assert len(effects) == 4
    for effect in effects:
        variant = next(name for name, edition in EDITIONS.items() if edition == effect.problem)
        chosen = joined.filter(variant=variant, **{"selection.scorer": effect.value})["change"]
        value, low, high = effect.difference
        assert effect.pairs == len(chosen) == 4
        assert value == pytest.approx(chosen.mean())
        assert low < value < high
        assert 0 <= effect.p_holm <= 1


def test_values_that_look_alike_are_two(tmp_path):
    """Sizes that agree in six digits are two values of the axis, and each is an effect of its own."""
    folder = write_study(tmp_path, variants=("films",), scorers=("fisher", "random"), ratios=(0.5, 0.50000001))
    summary = StudyResult.load(folder)._summary

    assert "selection.keep_ratio" in summary.problems[0].differing
    (effect,) = [effect for effect in summary.ablations if effect.axis == "keep_ratio"]
    assert (effect.value, effect.reference, effect.pairs) == ("0.5", "0.5", 4)


def test_without_cases_there_are_ranges(tmp_path):
    """Runs that an earlier version evaluated have means and the range of the seeds, and no verdict."""
    summary = StudyResult.load(write_study(tmp_path, variants=("films",), cases=False))._summary
    setting, scores = summary.problems[0].settings[0], [quality("films", "fisher", 0.5, seed) for seed in (0, 1)]
    effect = summary.ablations[0]
    changes = [
        quality("films", "block-influence", ratio, seed) - quality("films", "fisher", ratio, seed)
        for ratio in (0.5, 0.25)
        for seed in (0, 1)
    ]

    assert summary.kept == {}
    assert summary.estimate(setting, "ndcg@10") == pytest.approx((sum(scores) / 2, min(scores), max(scores)))
    assert effect.difference == pytest.approx((sum(changes) / 4, min(changes), max(changes)))
    assert effect.p_holm is None
    assert intervals_in_words(summary).startswith("Means over the seeds, with the lowest and the highest seed")


def test_one_seed_has_intervals_over_users(tmp_path):
    """And the report says that they are no more than that."""
    summary = StudyResult.load(write_study(tmp_path, variants=("films",), seeds=(0,)))._summary

    assert intervals_in_words(summary) == (
        "Intervals are 95%, over users; trainings with other seeds may differ by more."
    )


def test_candidates_have_the_costs_of_the_table(made_up, summary):
    """Means over the seeds; the teacher, which all settings share, once."""
    (teacher,) = [each for each in candidates(summary.problems[0], "parameters") if each.model == "teacher"]

    assert teacher.cost == 400_000
    assert {each.cost for each in candidates(summary.problems[0], "disk_bytes") if each.model == "student"} == {
        2400,
        1600,
    }  # a half and a quarter of the layers
    assert [each.model for each in on_fronts(summary.problems[0])] == ["student", "student", "teacher"]


def test_scorers_keep_shares(summary):
    """The mean over sizes of what students keep; a strategy without scores stands under its own name."""
    kept = kept_by_scorer(summary)
    expected = sum(
        sum(quality("films", "random", ratio, seed) for seed in (0, 1)) / (0.08 + 0.081) for ratio in (0.5, 0.25)
    )

    assert list(kept) == ["fisher", "block-influence", "random"]
    assert kept["random"][EDITIONS["films"]] == pytest.approx(expected / 2)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in {"greedy", "adaptive"}])
def test_strategies_without_scores_are_those_that_ignore_them(name):
    """Exactly those select the same layers when the scores are turned round; ``greedy`` measures instead."""
    rising, falling = (Question(scores=scores) for scores in ((1.0, 2.0, 3.0, 4.0, 5.0), (5.0, 4.0, 3.0, 2.0, 1.0)))
    same = all(STRATEGIES[name]().choose(rising, k).kept == STRATEGIES[name]().choose(falling, k).kept for k in (1, 3))

    assert same == (name in _WITHOUT_SCORES)


def test_shares_of_layers(summary):
    """A layer that one of two seeds keeps counts a half."""
    by_label = {setting.label: setting for setting in summary.problems[0].settings}

    assert shares_of(by_label["fisher, keep_ratio 0.25"]) == [1, 1, 0, 0, 0, 0, 0, 0]
    assert shares_of(by_label["random, keep_ratio 0.25"]) == [0.5, 0.5, 0, 0, 0, 0, 0, 1]


def test_curves_are_means_over_seeds(summary):
    """At each step that all seeds reached."""
    setting = summary.problems[0].settings[0]
    best = sum(quality("films", "fisher", 0.5, seed) for seed in (0, 1)) / 2

    assert curve_of(setting, "student", "ndcg@10") == pytest.approx({10: best / 2, 20: best * 0.8, 40: best})
    assert curve_of(setting, "scratch", "ndcg@10") == {}


def test_slices_are_means_over_settings(summary):
    """Each model on each slice, and on all cases."""
    values = sliced(summary.problems[0])
    scores = [
        quality("films", scorer, ratio, seed)
        for scorer in ("fisher", "block-influence", "random")
        for ratio in (0.5, 0.25)
        for seed in (0, 1)
    ]

    assert list(values) == ["all", "head", "tail"]
    assert values["tail"]["student"] == pytest.approx(sum(scores) / len(scores) / 2)


def test_findings(summary):
    """Counts and shares of the results: what failed, what is kept, whether distillation paid."""
    sentences = findings(summary)

    assert sentences[0] == "24 of 25 runs finished, 1 failed."
    assert (
        "students keep 40.0% (random, keep_ratio 0.25) to 90.0% (fisher, keep_ratio 0.5) of their teacher's NDCG@10."
        in sentences[1]
    )
    assert (
        "in 10 of 12 runs the student is clearly better than a model of its size trained from scratch" in sentences[3]
    )


def test_too_few_users_allow_no_claim(tmp_path):
    """Below thirty test users there is one sentence, and no other."""
    folder = write_study(tmp_path, variants=("films",), scorers=("fisher",), ratios=(0.5,))
    for path in folder.glob("runs/*/result.json"):
        attrs.evolve(RunResult.load(path.parent), cases={"users": 12}).save(path.parent)

    assert findings(StudyResult.load(folder)._summary)[1:] == [
        "12 test users are too few for any claim; evaluate on 30 or more."
    ]
