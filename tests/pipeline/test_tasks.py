"""Whole runs of the tasks rating and click."""

import json
import random

import pytest
import torch

from shortstack import CompactStudentModel, Registry, Run
from shortstack.errors import ConfigurationError, DataError
from shortstack.evaluation import sasrec
from shortstack.evaluation.sasrec import SASRec
from shortstack.evaluation.statistics.samples import Sample, Totals
from shortstack.pipeline.sasrec import SASREC_STAGE
from shortstack.pipeline.stage import Context
from shortstack.pipeline.stage_model import StageModel
from shortstack.pipeline.task_evaluation import task_evaluation
from shortstack.planning.workload import Histories
from shortstack.progress import Silent


@pytest.fixture(scope="module")
def rated(ring, tables, tmp_path_factory):
    """A finished run that rates, with its audit."""
    folder = tmp_path_factory.mktemp("runs") / "rating"
    run = Run.from_mapping(tables(ring, task={"name": "rating", "settings": {"window": 8}}))
    run.execute(folder)
    return folder, run.audit(folder)


@pytest.fixture(scope="module")
def news(tmp_path_factory):
    """Readers of one of two kinds of news, in MIND's files."""
    folder = tmp_path_factory.mktemp("mind")
    generator = random.Random(0)
    lines = []
    for number in range(200):
        kind = number % 2
        history = [f"N{kind}{generator.randrange(10)}" for _ in range(6)]
        shown = [(f"N{kind}{generator.randrange(10)}", 1), (f"N{1 - kind}{generator.randrange(10)}", 0)]
        generator.shuffle(shown)
        minute = f"{number // 60 + 1}:{number % 60:02}:00 AM"
        lines.append(
            f"{number}\tU{number}\t11/9/2019 {minute}\t{' '.join(history)}\t{' '.join(f'{n}-{c}' for n, c in shown)}"
        )
    (folder / "behaviors.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    titles = [f"N{kind}{n}\tnews\tsub\tTitle {kind}{n}\t\t\t[]\t[]" for kind in (0, 1) for n in range(10)]
    (folder / "news.tsv").write_text("\n".join(titles) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def clicked(news, tables, tmp_path_factory):
    """A finished run that ranks impressions, with its audit."""
    folder = tmp_path_factory.mktemp("runs") / "click"
    data = {"source": str(news), "adapter": "mind", "core": 0, "split": "global-time"}
    plain = tables("")
    fit = {**plain["teacher"]["fit"], "steps": 60, "evaluate_every": 20}
    teacher = {**plain["teacher"], "fit": fit}
    run = Run.from_mapping(tables("", data=data, task={"name": "click", "settings": {"window": 10}}, teacher=teacher))
    run.execute(folder)
    return folder, run.audit(folder)


RATING = {"mode", "global-mean", "user-mean", "teacher", "pruned", "student", "scratch"}
CLICK = {"popularity", "item-knn", "markov", "teacher", "pruned", "student", "scratch"}


def test_ratings_beside_their_floors(rated):
    """Every method has every metric; the verdict is about accuracy."""
    folder, result = rated

    assert set(result.metrics) == RATING
    assert result.headlines == {"metrics": ["accuracy", "accuracy±0.5", "mae", "rmse"], "selected_by": "accuracy"}
    for name, metrics in result.metrics.items():
        assert {"accuracy", "accuracy±0.5", "mae", "mse", "rmse"} <= {
            key for key, value in metrics.items() if value is not None
        }
        assert metrics["rmse"] ** 2 == pytest.approx(metrics["mse"])
        assert result.intervals[name]["rmse"][0] <= metrics["rmse"] <= result.intervals[name]["rmse"][1]
    assert "of the teacher's accuracy" in result.verdict
    assert "teacher-user-mean" in result.comparisons
    assert "each rating predicted from what the user rated before" in (folder / "report.html").read_text("utf-8")
    assert "accuracy" in result.cost["training"]["teacher"][-1]


def test_a_stored_teacher_that_rates_by_tokens_has_rows_of_items(rated, ring, tables, tmp_path):
    """Item rows of a model that rates by tokens may have their own learning rate; models that read words have none."""
    folder, _ = rated
    teacher = {
        "path": str(folder / "teacher"),
        "fit": {"steps": 2, "batch_size": 4, "item_rows_rate": 5.0, "warmup_steps": 0, "evaluate_every": 2},
    }
    run = Run.from_mapping(tables(ring, task={"name": "rating", "settings": {"window": 8}}, teacher=teacher))
    run.prepare(tmp_path / "run")
    assert (tmp_path / "run" / "data" / "items.jsonl").is_file()


def test_the_student_rates(rated):
    """A stock model with its items and the scale."""
    folder, _ = rated
    student = CompactStudentModel.from_pretrained(folder / "student")
    chances = student.rate([("Item 3", 5.0), ("Item 4", 1.0)], "Item 5")

    assert list(chances) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert sum(chances.values()) == pytest.approx(1.0)
    options = json.loads((folder / "student" / "options.json").read_text("utf-8"))
    assert [option["value"] for option in options["options"]] == [1, 2, 3, 4, 5]
    assert options["opening"] == []


def test_sasrec_ranks_what_was_shown(news, tables, tmp_path, monkeypatch):
    """Readers click the kind of news that they have read, and so does it expect, where ``ease`` and others have a name."""
    for name, value in {"GRID": (SASRec(16, 0.0, 0.01),), "LEAST_STEPS": 40, "VALIDATIONS": 2}.items():
        monkeypatch.setattr(sasrec, name, value)
    data = {"source": str(news), "adapter": "mind", "core": 0, "split": "global-time"}
    task = {"name": "click", "settings": {"window": 10}}
    run = Run.from_mapping(tables("", data=data, task=task, evaluation={"baselines": ["sasrec"], "resamples": 100}))
    run.prepare(tmp_path)
    context = Context(
        run=run, registry=Registry.from_environment(), root=tmp_path, device=torch.device("cpu"), progress=Silent()
    )
    SASREC_STAGE.perform(context, "a key")
    evaluation = task_evaluation(context, "test", in_full=True)
    ranker = evaluation.candidate(StageModel.load(context, "sasrec"))

    assert evaluation.evaluate(ranker).metrics["auc"] > 0.9


@pytest.mark.parametrize("which", ["rated", "clicked"])
def test_the_cases_give_the_result(which, request):
    """Of every method and headline metric, from the values of each case; the root of a mean square too."""
    _, result = request.getfixturevalue(which)
    cases = result.case_values()

    assert set(cases["model"]) == set(result.metrics)
    assert cases["user"].n_unique() == result.cases["users"]
    for model, metrics in result.metrics.items():
        own = cases.filter(cases["model"] == model)
        assert len(own) == result.cases["evaluated"]
        for metric in result.headlines["metrics"]:
            totals = Totals.of(own["user"].to_numpy(), own[metric].fill_null(float("nan")).to_numpy())
            assert Sample.of([totals], metric).means[0] == pytest.approx(metrics[metric])


@pytest.mark.parametrize("task", ["next-item", "rating", "click"])
def test_an_estimate_counts_the_cases(task, ring, news, tables, tmp_path):
    """Those that the evaluation has, with their histories, whatever a case of the task is."""
    settings = {"task": {"name": task, "settings": {"window": 8}}}
    if task == "click":
        settings["data"] = {"source": str(news), "adapter": "mind", "core": 0, "split": "global-time"}
    run = Run.from_mapping(tables(ring, **settings))
    run.prepare(tmp_path)
    counted = Histories.load(tmp_path / "data", run)
    looked = run.check()

    for split in ("valid", "test"):
        context = Context(
            run=run, registry=Registry.from_environment(), root=tmp_path, device=torch.device("cpu"), progress=Silent()
        )
        assert len(getattr(counted, split)) == task_evaluation(context, split, in_full=True).cases
    assert looked.notes == ()
    assert next(stage.estimate.seconds for stage in looked.stages if stage.stage == "evaluation") > 0


@pytest.mark.parametrize("which", ["rated", "clicked"])
@pytest.mark.full
def test_the_audit_is_about_the_task(which, request):
    """The oracle and what each choice costs, in the task's own metric."""
    _, result = request.getfixturevalue(which)

    assert set(result.audit["oracle"]) == {"loss", result.selected_by}
    assert result.audit["pruned"]["all layers"][result.selected_by][0] >= 0


def test_clicks_beside_their_floors(clicked):
    """The model separates readers of the two kinds of news; baselines are ranked on the same lists."""
    folder, result = clicked

    assert set(result.metrics) == CLICK
    assert result.headlines["metrics"] == ["auc", "mrr", "ndcg@5", "ndcg@10"]
    assert result.metrics["teacher"]["auc"] > 0.9
    assert result.data["impressions"] == 200
    assert result.data["test_impressions"] == 20
    assert "what each impression showed ranked by itself" in (folder / "report.html").read_text("utf-8")
    assert "With 20 test users, no comparison" in result.verdict


@pytest.mark.parametrize("which", ["rated", "clicked"])
def test_the_speed_is_measured_on_the_tasks_own_questions(which, request):
    """Speed is measured for teacher and students; scratch has the student's shape, baselines are no models."""
    folder, result = request.getfixturevalue(which)
    speed = result.cost["speed"]

    assert set(speed) == {"teacher", "pruned", "student"}
    for measured in speed.values():
        assert set(measured) == {"ms_per_user_1", "ms_per_user_32", "users_per_second"}
        assert min(measured.values()) > 0
    assert " × as fast " in result.verdict
    assert " × as fast)" in (folder / "report.html").read_text(encoding="utf-8")


def test_nobody_is_named(rated, clicked):
    """No user id is in any shared output of a run."""
    for (folder, _), name in ((rated, '"u1'), (clicked, "U19")):
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix in {".json", ".jsonl", ".html", ".md"}:
                assert name not in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"core": 5}, r"set data\.core = 0, not 5"),
        ({"core": 0}, "divides impressions by 'global-time' or 'official': set data.split"),
        ({"core": 0, "split": "global-time", "last_n": 3}, r"set data\.last_n = none, not 3"),
        ({"core": 0, "split": "global-time", "duplicates": "first"}, r"set data\.duplicates = 'keep', not 'first'"),
        ({"core": 0, "split": "random"}, "divides impressions by 'global-time' or 'official': set data.split"),
        (
            {"core": 0, "split": "global-time", "test_share": 0.2},
            r"the task 'click' has no use for data\.test_share; leave it out",
        ),
        (
            {"core": 0, "split": "official", "order": "file"},
            r"the task 'click' orders impressions by their times; leave data\.order out",
        ),
    ],
)
def test_filters_that_impressions_do_not_have(news, tables, tmp_path, changes, problem):
    """Filters that impressions lack are refused before any work."""
    data = {"source": str(news), "adapter": "mind", **changes}
    with pytest.raises(ConfigurationError, match=problem):
        Run.from_mapping(tables("", data=data, task={"name": "click"})).execute(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_that_a_task_cannot_use(ring, news, tables, tmp_path):
    """Interactions without lists, interactions without ratings, ratings that are no scale."""
    data = tables(ring)["data"]
    cases = [
        ({**data, "core": 0, "split": "global-time"}, "click", "does not say what users were shown"),
        ({"source": str(news), "adapter": "mind", "core": 0}, "rating", "needs the rating of every interaction, but"),
        (
            {**data, "order": "file", "settings": {**data["settings"], "rating": "time", "timestamp": None}},
            "rating",
            "chooses among 2 to 20 ratings, but ring.csv has",
        ),
    ]
    for number, (settings, task, problem) in enumerate(cases):
        with pytest.raises(DataError, match=problem):
            Run.from_mapping(tables(ring, data=settings, task={"name": task})).execute(tmp_path / f"run{number}")


def test_a_window_needs_two_positions_an_item(ring, tables, tmp_path):
    """A rating's item and the rating itself."""
    teacher = tables(ring)["teacher"]
    teacher = {**teacher, "config": {**teacher["config"], "max_position_embeddings": 19}}
    with pytest.raises(ConfigurationError, match=r"window of 10 items needs 20 positions, but teacher\.config has 19"):
        Run.from_mapping(tables(ring, task={"name": "rating", "settings": {"window": 10}}, teacher=teacher)).execute(
            tmp_path / "r"
        )


def test_a_stored_teacher_must_know_the_scale(rated, ring, tables, tmp_path):
    """A teacher of one scale cannot rate on another."""
    folder, _ = rated
    half = tmp_path / "half.csv"
    half.write_text(ring.read_text("utf-8").replace(",5,", ",4.5,"), encoding="utf-8")
    task = {"name": "rating", "settings": {"window": 8}}
    with pytest.raises(ConfigurationError, match="does not rate on the scale of these data"):
        Run.from_mapping(tables(half, task=task, teacher={"path": str(folder / "teacher")})).execute(tmp_path / "r")
