"""Users who return to items: a run evaluates as its student recommends, whichever rule for seen items holds."""

import json
import random
from types import SimpleNamespace

import attrs
import pytest

from shortstack import CompactStudentModel, Run
from shortstack.config.run_tables import EvaluationSettings
from shortstack.data.sequences import Sequences
from shortstack.errors import EmptyDataError, UnknownNameError
from shortstack.files import write_json
from shortstack.pipeline.seen_items import seen_by
from shortstack.result import RunResult
from shortstack.run_layout import FACTS, SEQUENCES

QUICK = {"steps": 4, "batch_size": 16, "learning_rate": 0.01, "warmup_steps": 1, "evaluate_every": 2}


def write_regulars(path, *, elsewhere=10, users=40, seed=0):
    """Write visits of users to three favourite places each; for some users the last two visits are elsewhere."""
    generator = random.Random(seed)
    lines = ["user,item,rating,time,title"]
    for user in range(users):
        favourites = generator.sample(range(20), 3)
        places = favourites + [generator.choice(favourites) for _ in range(5)]
        if user < elsewhere:
            places[-2:] = generator.sample([place for place in range(20) if place not in favourites], 2)
        lines += [f"u{user},i{place},5,{1_000_000 + 100 * n + user},Place {place}" for n, place in enumerate(places)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run_of(tables, source, **evaluation):
    """Return a run of two seconds."""
    settings = tables(source, evaluation={"resamples": 100, "scratch": False, **evaluation})
    settings["teacher"]["fit"], settings["distillation"] = QUICK, {"fit": QUICK}
    settings["data"]["core"] = 0
    return Run.from_mapping(settings)


@pytest.fixture(scope="module")
def regulars(tmp_path_factory):
    """A CSV file of visits."""
    return write_regulars(tmp_path_factory.mktemp("data") / "regulars.csv")


@pytest.fixture(scope="module", params=[None, "exclude"])
def evaluated(request, regulars, tables, tmp_path_factory):
    """The rule in force, the run's folder, and its result."""
    folder = tmp_path_factory.mktemp("runs") / "regulars"
    settings = {} if request.param is None else {"seen": request.param}
    return request.param or "include", folder, run_of(tables, regulars, **settings).execute(folder)


@pytest.mark.parametrize(("repeats", "rule"), [(0, "exclude"), (9, "exclude"), (10, "include")])
def test_the_rule_follows_the_data(repeats, rule, regulars, tables, tmp_path):
    """Ten repeats among a thousand interactions include seen items; nine do not."""
    (tmp_path / "data").mkdir()
    write_json(tmp_path / "data" / FACTS, {"interactions": 1000, "duplicate_pairs": repeats})
    context = SimpleNamespace(run=run_of(tables, regulars), root=tmp_path)

    assert seen_by(context) == rule


def test_a_run_evaluates_as_its_student_recommends(evaluated):
    """HR@10 is the share of counted cases whose target is among the student's ten recommendations."""
    rule, folder, result = evaluated
    student = CompactStudentModel.from_pretrained(folder / "student")
    cases = Sequences.load(folder / "data" / SEQUENCES).cases("test")
    names, hits = [item.id for item in student.catalogue.items], []
    for row in range(len(cases)):
        history = [names[item] for item in cases.history(row)]
        if rule == "include" or names[cases.targets[row]] not in history:
            hits.append(
                names[cases.targets[row]] in {recommendation.id for recommendation in student.recommend(history, k=10)}
            )

    assert student.seen == rule
    assert len(hits) == result.cases["evaluated"]
    assert sum(hits) / len(hits) == pytest.approx(result.metrics["student"]["hr@10"])


def test_what_was_counted_is_in_the_record(evaluated):
    """Thirty of forty users return; their cases count, or are left out and counted, and the verdict says so."""
    rule, _, result = evaluated
    expected = {
        "exclude": {"evaluated": 10, "users": 10, "left_out": 30},
        "include": {"evaluated": 40, "users": 40, "left_out": 0},
    }[rule]

    assert dict(result.cases) == {"seen": rule, "repeats": 30, "without_history": 0, **expected}
    said = {
        "exclude": "30 of 40 test cases (75.0%) are left out: their targets are in the users' histories, whose items are no",
        "include": "75.0% of the test targets are in the users' histories, whose items are candidates like all others, and",
    }
    assert said[rule] in result.verdict
    assert ("personal-popularity" in result.metrics) == (rule == "include")


def test_the_page_says_the_rule(evaluated):
    """The page gives the rule beside the protocol."""
    rule, folder, _ = evaluated
    said = {"exclude": "history are no candidates", "include": "history are candidates like all others"}

    assert f"ties by their mid-rank; items of the user's {said[rule]}" in (folder / "report.html").read_text("utf-8")


@pytest.mark.full
def test_models_are_selected_by_the_same_rule(regulars, tables, tmp_path):
    """Another rule is another training: nothing but the data is kept. Nor does the data's stage decide it."""
    folder = tmp_path / "run"
    first = run_of(tables, regulars, seen="exclude").execute(folder)
    kept = (folder / "data" / SEQUENCES).stat().st_mtime_ns
    second = run_of(tables, regulars).execute(folder)

    assert kept == (folder / "data" / SEQUENCES).stat().st_mtime_ns
    curves = [[point["ndcg@10"] for point in result.cost["training"]["teacher"]] for result in (first, second)]
    assert curves[0] != curves[1], "the validation targets are repeats too"
    assert CompactStudentModel.from_pretrained(folder / "teacher").seen == "include"


def test_a_run_without_any_case_left_ends_before_training(tables, tmp_path, monkeypatch):
    """All users return, and seen items are excluded."""
    source = write_regulars(tmp_path / "all.csv", elsewhere=0)
    monkeypatch.setattr("shortstack.pipeline.training.train", None)

    with pytest.raises(
        EmptyDataError, match=r"each of the 40 cases has a target that is in its history, and seen = 'ex"
    ):
        run_of(tables, source, seen="exclude").execute(tmp_path / "run")


def test_a_rule_that_is_none(regulars, tables):
    """An unknown rule is refused, from a file or from Python, before any work."""
    message = r"unknown value of (run\.)?evaluation\.seen: 'excluded'; did you mean 'exclude'"
    with pytest.raises(UnknownNameError, match=message):
        run_of(tables, regulars, seen="excluded")
    with pytest.raises(UnknownNameError, match=message):
        attrs.evolve(run_of(tables, regulars), evaluation=EvaluationSettings(seen="excluded"))


def test_a_result_of_an_earlier_version_is_read(evaluated, tmp_path):
    """A result of an earlier version, without numbers of cases, is read."""
    fields = json.loads((evaluated[1] / "result.json").read_text("utf-8"))
    del fields["cases"], fields["digest"]
    (tmp_path / "result.json").write_text(json.dumps(fields), "utf-8")

    assert RunResult.load(tmp_path).cases == {}


def test_recommendations_follow_the_rule_unless_a_call_says_otherwise(evaluated, tmp_path):
    """Explicit arguments win; a folder of an earlier version, which says no rule, leaves seen items out."""
    rule, folder, _ = evaluated
    student = CompactStudentModel.from_pretrained(folder / "student")
    history = [item.id for item in student.catalogue.items[:4]]

    def seen(**arguments):
        return len(
            {recommendation.id for recommendation in student.recommend(history, k=20, **arguments)} & set(history)
        )

    assert seen() == (4 if rule == "include" else 0)
    assert (seen(exclude_seen=True), seen(exclude_seen=False)) == (0, 4)
    student.save_pretrained(tmp_path / "old")
    (tmp_path / "old" / "recommender.json").write_text('{"schema": 1, "window": 10}', "utf-8")
    assert CompactStudentModel.from_pretrained(tmp_path / "old").seen == "exclude"


def test_a_rule_on_disk_that_is_none(evaluated, tmp_path):
    """The file is named; and so is the value of an object built in Python."""
    student = CompactStudentModel.from_pretrained(evaluated[1] / "student")
    student.save_pretrained(tmp_path / "student")
    (tmp_path / "student" / "recommender.json").write_text('{"schema": 1, "window": 10, "seen": "all"}', "utf-8")

    with pytest.raises(ValueError, match=r"recommender\.json must say 'exclude' or 'include' as seen, got 'all'"):
        CompactStudentModel.from_pretrained(tmp_path / "student")
    with pytest.raises(UnknownNameError, match="unknown rule for seen items 'all'"):
        CompactStudentModel(model=student.model, catalogue=student.catalogue, window=10, seen="all")


def test_a_run_that_goes_on_keeps_the_measured_speed(evaluated, regulars, tables):
    """A resumed run keeps the measured speed, as all that is finished."""
    rule, folder, result = evaluated
    settings = {} if rule == "include" else {"seen": rule}

    assert run_of(tables, regulars, **settings).execute(folder).cost["speed"] == result.cost["speed"]
    assert set(result.cost["speed"]) == {"teacher", "pruned", "student"}
