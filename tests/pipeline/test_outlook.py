"""A look at a run before any work: what is kept, what is left, what it takes, and what is refused."""

import json
import logging

import attrs
import pytest

from shortstack import Run
from shortstack.errors import ConfigurationError, RunFolderError, SourceNotFoundError


@pytest.fixture(scope="module")
def run(ring, tables):
    """A tiny run."""
    return Run(**tables(ring))


def states(outlook):
    """Stage → whether it is kept."""
    return {stage.stage: stage.kept for stage in outlook.stages}


def test_a_new_folder(run, tmp_path):
    """Every stage is left, those with models' work have an estimate, and nothing is written."""
    outlook = run.check(tmp_path / "new")

    assert not any(states(outlook).values())
    assert len(outlook.left) == 9
    assert {stage.stage for stage in outlook.stages if stage.estimate} == {
        "teacher",
        "importance",
        "distillation",
        "scratch",
        "evaluation",
    }
    assert outlook.seconds == sum(stage.estimate.seconds for stage in outlook.left if stage.estimate) > 0
    assert outlook.memory_bytes == max(stage.estimate.memory_bytes for stage in outlook.left if stage.estimate)
    assert outlook.notes == ()
    assert [*tmp_path.iterdir()] == []


def test_a_folder_with_the_data(run, tmp_path, caplog):
    """The finished stage is kept, and is not for a run with other settings; the folder stays as it is."""
    with caplog.at_level(logging.INFO, logger="shortstack"):
        run.prepare(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    kept, other = run.check(tmp_path / "run"), attrs.evolve(run, seed=1).check(tmp_path / "run")

    assert [stage for stage, is_kept in states(kept).items() if is_kept] == ["data"]
    assert not any(states(other).values())
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert [record.getMessage().partition(" has the key ")[0] for record in caplog.records] == ["data"]


def test_a_result_of_other_settings(run, tmp_path):
    """What the run would say first is among the notes: that the result would be replaced."""
    settings = run.to_mapping()
    (tmp_path / "run.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "result.json").write_text(json.dumps({"config": {**settings, "seed": 9}}), encoding="utf-8")
    (note,) = run.check(tmp_path).notes

    assert "will be replaced" in note


def test_damage_is_noted(run, tmp_path):
    """A damaged result would be done again."""
    run.prepare(tmp_path / "run")
    facts = next((tmp_path / "run" / "data").glob("*.jsonl"))
    facts.write_text("", encoding="utf-8")
    outlook = run.check(tmp_path / "run")

    assert not any(states(outlook).values())
    assert any("data would be done again" in note for note in outlook.notes)


def test_a_folder_that_is_no_runs(run, tmp_path):
    """It is refused, as by a run."""
    (tmp_path / "thesis.tex").write_text("", encoding="utf-8")
    with pytest.raises(RunFolderError, match="holds something else"):
        run.check(tmp_path)


def test_data_that_are_not_there(run, tmp_path):
    """They are refused, as by the data stage."""
    gone = attrs.evolve(run, data=attrs.evolve(run.data, source=str(tmp_path / "gone.csv")))
    with pytest.raises(SourceNotFoundError, match=r"gone\.csv is not there"):
        gone.check()


def test_a_model_that_does_not_fit(run, monkeypatch):
    """It is refused with the bytes that it needs, before anything is timed."""
    monkeypatch.setattr("shortstack.models.memory_needs.free_bytes", lambda _: 1000)
    with pytest.raises(ConfigurationError, match="GiB"):
        run.check()


def test_a_teacher_that_is_not_here_yet(tables, ring, monkeypatch):
    """One on the hub that cannot be reached now is no mistake: nothing is estimated, and a note says why."""

    def unreachable(_):
        raise SourceNotFoundError("the hub cannot be reached")

    monkeypatch.setattr("shortstack.pipeline.outlook.teacher_config", unreachable)
    from_hub = Run(**tables(ring, teacher={"path": "owner/model-that-is-not-here"}))
    outlook = from_hub.check()

    assert outlook.memory_bytes == outlook.seconds == 0
    assert outlook.notes == ("time and memory are not known: the hub cannot be reached",)
