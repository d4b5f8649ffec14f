"""Whole runs of the tasks rating and click."""

import json
import random

import pytest

from shortstack import CompactStudentModel, Run
from shortstack.errors import ConfigurationError, DataError


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


@pytest.mark.parametrize("which", ["rated", "clicked"])
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
            {**data, "settings": {**data["settings"], "rating": "time"}},
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
