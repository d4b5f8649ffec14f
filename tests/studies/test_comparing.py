"""Comparisons of a study's settings: which runs are paired, what is corrected together, every error."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_rel
from studies.with_cases import run, study

from shortstack import Run, Study, StudyResult
from shortstack.distillation.balancing import Ema
from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError, UnknownNameError
from shortstack.evaluation.statistics.holm import holm
from shortstack.studies.folder import described

AXES = ("selection.keep_ratio", "seed")
USERS = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two variants, two sizes and three seeds; smaller students lose more, those of the tail too."""
    root, generator = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    easy, runs = generator.random(USERS), []
    for variant in ("hybrid", "tail"):
        for ratio in (0.5, 0.25):
            for seed in (0, 1, 2):
                noise = 0.01 * generator.standard_normal(USERS) + 0.001 * generator.standard_normal()
                lost = {0.5: 0.01, 0.25: 0.2}[ratio] + (0.1 if variant == "tail" else 0)
                values = {"teacher": 1 + easy, "student": 1 + easy - lost + noise, "markov": easy}
                made = run(root / f"{variant}-{ratio}-{seed}", values, seed=seed, selection__keep_ratio=ratio)
                runs.append((variant, (ratio, seed), made))
    return study(root, runs, AXES)


def by_user(whole, model, variant, ratio):
    """Return the values of a setting's runs, ``(users, seeds)``."""
    chosen = [o for o in whole.outcomes if (o.variant, o.values["selection.keep_ratio"]) == (variant, ratio)]
    return np.column_stack([outcome.result.case_values([model])["ndcg@10"].to_numpy() for outcome in chosen])


def test_every_setting_against_its_teacher(whole):
    """A row for each, in the order of the study; means over seeds and users."""
    rows = whole.compare().rows
    settings = [(row.setting["variant"], row.setting["selection.keep_ratio"]) for row in rows]

    assert settings == [("hybrid", 0.5), ("hybrid", 0.25), ("tail", 0.5), ("tail", 0.25)]
    for (variant, ratio), row in zip(settings, rows, strict=True):
        students, teachers = (by_user(whole, model, variant, ratio) for model in ("student", "teacher"))
        assert row.value[0] == pytest.approx(students.mean())
        assert row.difference[0] == pytest.approx((students - teachers).mean())
        assert row.ratio[0] == pytest.approx(students.mean() / teachers.mean())
        assert (row.runs, row.users, row.test_users, row.over) == (3, USERS, USERS, "users and seeds")
        assert (row.metric, row.of, row.reference, row.keeps) == ("ndcg@10", "student", "teacher", 0.98)
    # 0.7 % lost of 1.5, and 6 % and more
    assert [row.verdict for row in rows] == ["equivalent", "inferior", "inferior", "inferior"]


def test_against_a_variant(whole):
    """Its student of the same size is the reference; it has no rows of its own."""
    rows = whole.compare(reference="tail").rows

    assert [(row.setting["variant"], row.reference) for row in rows] == [("hybrid", "student of tail")] * 2
    expected = by_user(whole, "student", "hybrid", 0.25) - by_user(whole, "student", "tail", 0.25)
    assert rows[1].difference[0] == pytest.approx(expected.mean())
    assert [row.verdict for row in rows] == ["non-inferior"] * 2
    assert whole.compare(reference={"variant": "tail"}) == whole.compare(reference="tail")


def test_against_another_value_of_an_axis(whole):
    """By the axis's path, or the end of it."""
    rows = whole.compare(reference={"selection.keep_ratio": 0.5}).rows

    assert [row.setting["selection.keep_ratio"] for row in rows] == [0.25, 0.25]
    assert rows[0].reference == "student of keep_ratio=0.5"
    expected = by_user(whole, "student", "tail", 0.25) - by_user(whole, "student", "tail", 0.5)
    assert rows[1].difference[0] == pytest.approx(expected.mean())
    assert whole.compare(reference={"keep_ratio": 0.5}).rows == rows


def test_against_a_baseline(whole):
    """Any method of the run may be compared with any other."""
    (row, *_) = whole.compare("teacher", "markov").rows

    assert row.difference == pytest.approx((1, 1, 1))
    assert row.p == pytest.approx(0)


def test_families(whole):
    """All comparisons are corrected together, or those of each value of an axis."""
    together, apart = whole.compare(), whole.compare(family=["keep_ratio"])
    p = [row.p for row in together.rows]

    assert [row.p_holm for row in together.rows] == pytest.approx(holm(p))
    first, second = holm([p[0], p[2]]), holm([p[1], p[3]])
    assert [row.p_holm for row in apart.rows] == pytest.approx([first[0], second[0], first[1], second[1]])


def test_one_seed_is_over_users_alone(whole, tmp_path):
    """And says so; the p-value is SciPy's."""
    only = [o for o in whole.outcomes if o.values["seed"] == 0]
    rows = StudyResult(folder=tmp_path, axes=AXES, outcomes=tuple(only)).compare().rows
    result = only[1].result.case_values()
    values = [result.filter(result["model"] == model)["ndcg@10"].to_numpy() for model in ("student", "teacher")]

    assert {row.over for row in rows} == {"users"}
    assert rows[1].p == pytest.approx(ttest_rel(*values).pvalue)


def test_the_table(whole):
    """Columns by their names, each estimate with its interval."""
    table = whole.compare().to_polars()
    estimates = ["value", "reference_value", "difference", "ratio"]

    assert table.columns == [
        "variant", "selection.keep_ratio", "metric", "of", "reference", "runs", "users", "test_users", "over",
        *(f"{name}{end}" for name in estimates for end in ("", "/low", "/high")),
        "p", "p_holm", "effect_size", "keeps", "p_keeps_holm", "p_equivalent_holm", "verdict",
    ]  # fmt: skip
    assert (table["difference/low"] < table["difference"]).all()
    assert table.columns == list(whole.compare().rows[0].row())


def test_all_cases(whole):
    """Of every run and model, with the setting."""
    table = whole.case_values()

    assert len(table) == 12 * 3 * USERS
    assert table.columns == ["run", "variant", *AXES, "model", "case", "user", "ndcg@10"]
    assert len(whole.case_values(["student"])) == 12 * USERS
    with pytest.raises(
        ConfigurationError, match=r"models takes a list of texts, got the text 'student'; write \['student'\]"
    ):
        whole.case_values("student")


def test_unfinished_runs_are_left_out(whole, tmp_path):
    """A seed that one side lacks does not count; a setting without any is said."""
    outcomes = list(whole.outcomes)
    unfinished = study(tmp_path, [("tail", (0.125, 0), None)], AXES).outcomes
    some = StudyResult(folder=tmp_path, axes=AXES, outcomes=(*outcomes[:3], *outcomes[4:9], *unfinished))
    comparisons = some.compare(reference={"keep_ratio": 0.25})

    assert [(row.setting["variant"], row.runs) for row in comparisons.rows] == [("hybrid", 2)]
    assert comparisons.left_out == {
        "tail, keep_ratio=0.5": "its reference has no finished run of an equal seed",
        "tail, keep_ratio=0.125": "no run of it is finished",
    }


def test_errors_have_a_margin_of_their_own(tmp_path):
    """Of an error less is better: a tenth less is no loss, a tenth more is."""
    generator = np.random.default_rng(1)
    teacher = 1 + 0.1 * generator.random(30)
    runs = [
        ("", (share, 0), run(tmp_path / str(share), {"teacher": teacher, "student": share * teacher}, metric="mae"))
        for share in (0.9, 1.1)
    ]

    assert [row.verdict for row in study(tmp_path, runs, AXES).compare().rows] == ["non-inferior", "inferior"]


def test_too_few_users_say_nothing(tmp_path):
    """One user gives no interval, and no verdict."""
    made = run(tmp_path / "one", {"teacher": [0.5], "student": [0.4]})
    (row,) = study(tmp_path, [("", (0.5, 0), made)], AXES).compare().rows

    assert (row.difference, row.p, row.p_holm, row.verdict) == (None, None, None, "inconclusive")
    assert row.row()["difference/low"] is None


@pytest.mark.parametrize(("users", "verdict"), [(29, "inconclusive"), (30, "inferior")])
def test_few_users_give_no_verdict(tmp_path, users, verdict):
    """As in a run's own verdict."""
    made = run(tmp_path / "one", {"teacher": np.full(users, 0.5), "student": np.full(users, 0.4)})
    (row,) = study(tmp_path, [("", (0.5, 0), made)], AXES).compare().rows

    assert (row.p, row.verdict) == (0, verdict)


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"of": "studnet"}, UnknownNameError, "unknown model of the finished runs: 'studnet'; did you mean 'student'"),
        ({"reference": "tial"}, UnknownNameError, "unknown model or variant 'tial'; did you mean 'tail'"),
        ({"reference": {"keep": 0.5}}, UnknownNameError, "unknown axis of the study 'keep'; did you mean 'keep_ratio'"),
        ({"reference": {"keep_ratio": 0.3}}, UnknownNameError, "unknown value of selection.keep_ratio '0.3'"),
        ({"reference": "student"}, ConfigurationError, "'student' is compared with itself; name another model, or a variant"),
        ({"metric": "hr@10"}, UnknownNameError, "unknown headline metric of .*: 'hr@10'; did you mean 'ndcg@10'"),
        ({"keeps": 98}, ConfigurationError, "keeps must be a share above 0 and at most 1, such as 0.98, got 98"),
        ({"keeps": "0.98"}, ConfigurationError, "keeps must be a share above 0 and at most 1, such as 0.98, got '0.98'"),
        ({"family": "variant"}, ConfigurationError, r"family takes a list of texts, got the text 'variant'; write \['variant'\]"),
        ({"family": ["variants"]}, UnknownNameError, "unknown axis of the study 'variants'; did you mean 'variant'"),
    ],
)  # fmt: skip
def test_mistakes(whole, how, error, says):
    """Each is said in a line."""
    with pytest.raises(error, match=says):
        whole.compare(**how)


def test_nothing_to_compare(tmp_path):
    """A study without finished runs, and one of a single setting."""
    made = run(tmp_path / "one", {"student": [0.5, 0.4]})
    with pytest.raises(SourceNotFoundError, match="has no finished run yet; start the study again"):
        study(tmp_path, [("", (0.5, 0), None)], AXES).compare()
    with pytest.raises(SourceNotFoundError, match="has no finished run yet; start the study again"):
        study(tmp_path, [("", (0.5, 0), None)], AXES).case_values()
    with pytest.raises(SourceNotFoundError, match=r"has nothing to compare \(one setting alone\)"):
        study(tmp_path, [("", (0.5, 0), made)], AXES).compare(reference={"keep_ratio": 0.5})


def test_other_data(tmp_path):
    """Settings without a test user in common, and settings that are evaluated differently."""
    values = {"student": [0.1, 0.2, 0.3]}
    first = run(tmp_path / "a", values)
    others = {
        "b": run(tmp_path / "b", values, users=[7, 8, 9], data__min_rating=4.0),
        "c": run(tmp_path / "c", values, evaluation__protocol="sampled"),
        "d": run(tmp_path / "d", values, metric="auc"),
    }
    with pytest.raises(
        DataError,
        match=r"b \(3 test users\) and .*a \(3\) share no test user, so nothing is paired: their data have data.min_rating = 4.0 "
        "and data.min_rating = none; compare runs of the same data",
    ):
        study(tmp_path, [("", (1, 0), first), ("", (2, 0), others["b"])], AXES).compare(reference={"keep_ratio": 1})
    with pytest.raises(
        ConfigurationError,
        match=r"c and .*a cannot be compared, for they are evaluated differently: evaluation.protocol = "
        "'sampled' and evaluation.protocol = 'full'; compare runs that differ in other settings",
    ):
        study(tmp_path, [("", (1, 0), first), ("", (2, 0), others["c"])], AXES).compare(reference={"keep_ratio": 1})
    with pytest.raises(
        ConfigurationError, match="selected by different metrics, auc and ndcg@10; name one to compare them by"
    ):
        study(tmp_path, [("", (1, 0), first), ("", (2, 0), others["d"])], AXES).compare(reference={"keep_ratio": 1})  # fmt: skip


def test_cases_of_other_settings_are_refused(whole, tmp_path):
    """An evaluation that a later, unfinished run replaced is not that of the result."""
    made = run(tmp_path / "run", {"student": [0.5, 0.4]})
    record = {"stage": "evaluation", "key": "k", "run": {"seed": 9}}
    (tmp_path / "run" / "evaluation" / "stage.json").write_text(json.dumps(record), encoding="utf-8")

    with pytest.raises(
        DataError, match=r"evaluation is of other settings than .*result\.json; run it again with either"
    ):
        made.case_values()


def test_a_real_study(executed):
    """The cases' means are the result's metrics, and the differences those of its comparisons."""
    _, result, _ = executed
    for outcome in result.outcomes[:2]:
        cases = outcome.result.case_values()
        for model, metrics in outcome.result.metrics.items():
            own = cases.filter(cases["model"] == model)
            for metric in outcome.result.headlines["metrics"]:
                assert own[metric].mean() == pytest.approx(metrics[metric])
    for row, outcome in zip(result.compare().rows, result.outcomes, strict=False):
        assert row.difference[0] == pytest.approx(outcome.result.comparisons["student-teacher"]["ndcg@10"][0])
        assert row.users == outcome.result.cases["users"]


def test_objects_of_one_name_are_settings_of_their_own(tmp_path):
    """Two balancings of one class: all runs are compared, and the objects themselves name the reference."""
    short, long = Ema(decay=0.5), Ema(decay=0.9)
    planned = Study(
        base=Run(data="ring.csv", teacher="teacher"), axes={"distillation.balancing": [short, long], "seed": [0, 1]}
    )
    values = [run["values"] for run in described(planned)["runs"].values()]
    easy, runs = np.random.default_rng(0).random(USERS), []
    for number, value in enumerate(values):
        student = easy + 0.1 * number + 0.01 * np.random.default_rng(number).random(USERS)
        made = run(tmp_path / str(number), {"teacher": easy, "student": student}, seed=value["seed"])
        runs.append(("", (value["distillation.balancing"], value["seed"]), made))
    whole = study(tmp_path, runs, ("distillation.balancing", "seed"))

    assert [row.runs for row in whole.compare().rows] == [2, 2]
    (row,) = whole.compare(reference={"balancing": short}).rows
    assert row.difference[0] == pytest.approx(0.2, abs=0.01)
    with pytest.raises(UnknownNameError, match=r"unknown value of distillation\.balancing 'Ema\(decay=0\.7"):
        whole.compare(reference={"balancing": Ema(decay=0.7)})
