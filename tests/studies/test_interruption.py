"""A study stopped at any moment goes on with the same command, and has the results of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from pipeline.conftest import without_times
from studies.conftest import Notes, short_tables

from shortstack import Registry, Run, Study
from shortstack.pipeline import stage as stages
from shortstack.studies import planned

NAMES = ("keep_ratio=0.5", "keep_ratio=0.25")
KILLER = """
import json, os, signal, sys
import torch
from shortstack import Registry, Run, Study
from shortstack.progress import Silent

torch.set_num_threads(1)
tables, folder, run, moment = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

class Killer(Silent):
    number = 0

    def note(self, text):
        self.number += text.startswith("run ")
        if (self.number, moment) == (run, text.partition(":")[0]):
            os.kill(os.getpid(), signal.SIGKILL)

    def stage(self, name):
        if (self.number, name) == (run, moment):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().stage(name)

Study(base=Run.from_mapping(tables), axes={"selection.keep_ratio": [0.5, 0.25]}).execute(folder, progress=Killer())
"""


def results_of(folder):
    """Return the results of both runs without times and memory."""
    texts = [(folder / "runs" / name / "result.json").read_text(encoding="utf-8") for name in NAMES]
    return [without_times(json.loads(text)) for text in texts]


@pytest.fixture
def stopped(executed, tmp_path):
    """The folder of a study whose second run has yet to begin."""
    folder = shutil.copytree(executed[0], tmp_path / "out")
    shutil.rmtree(folder / "runs" / NAMES[1])
    for table in folder.glob("results.*"):
        table.unlink()
    return folder


@pytest.mark.parametrize("files", [0, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 3))])
def test_stopped_while_a_result_is_taken(files, executed, study, stopped, monkeypatch):
    """Half a copy is no result: the next attempt takes it anew."""
    link, left = stages.link, iter(range(files))

    def stopping(source, target):
        if "teacher" in source and next(left, None) is None:
            raise KeyboardInterrupt
        return link(source, target)

    monkeypatch.setattr(stages, "link", stopping)
    with pytest.raises(KeyboardInterrupt):
        study.execute(stopped)
    assert not (stopped / "runs" / NAMES[1] / "teacher").exists()
    monkeypatch.undo()
    notes = Notes()
    study.execute(stopped, progress=notes)

    assert notes.ran.count("teacher") == 0
    assert results_of(stopped) == results_of(executed[0])


def test_equal_planned_keys_are_equal_results(executed, study):
    """What a dry run says is shared has one key on the disk, and each stage of each run is in it once."""
    finished = {name: study.members[name] for name in NAMES}
    shared = planned.planned(finished, Registry.from_environment())
    keys = {
        (name, record.parent.name): json.loads(record.read_text(encoding="utf-8"))["key"]
        for name in NAMES
        for record in (executed[0] / "runs" / name).glob("*/stage.json")
    }
    folders = {"pruning": "pruned", "distillation": "student"}

    for stage in shared:
        assert len({keys[name, folders.get(stage.stage, stage.stage)] for name in stage.runs}) == 1
    assert [stage.stage for stage in shared if len(stage.runs) == 2] == ["data", "teacher", "calibration", "importance"]
    assert sum(len(stage.runs) for stage in shared) == len(keys)


def test_a_plan_does_nothing(study, tmp_path, monkeypatch):
    """It checks the runs, and writes no file."""
    monkeypatch.chdir(tmp_path)

    stages = study.plan()

    assert {name for stage in stages for name in stage.runs} == set(study.members)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("run", "moment"),
    [
        (1, "data"),
        (1, "importance"),
        (1, "evaluation"),
        (2, "data"),
        (2, "teacher"),
        (2, "distillation"),
        (2, "report"),
    ],
)
def test_killed(run, moment, executed, little_ring, tmp_path):
    """At the start of a stage, after one was taken, before the report: then the same study goes on."""
    tables = short_tables(little_ring, selection={"scorer": "fisher", "keep_ratio": 0.5})
    command = [sys.executable, "-c", KILLER, json.dumps(tables), str(tmp_path / "out"), str(run), moment]
    done = subprocess.run(command, check=False, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    study = Study(base=Run.from_mapping(tables), axes={"selection.keep_ratio": [0.5, 0.25]})
    result = study.execute(tmp_path / "out")

    assert -done.returncode == signal.SIGKILL
    assert {outcome.status for outcome in result.outcomes} == {"finished"}
    assert results_of(tmp_path / "out") == results_of(executed[0])


@pytest.mark.full
def test_two_seeds_ratios_and_scorers_train_two_teachers(base, tmp_path):
    """Each of the eight results is, bit for bit, that of a run by itself."""
    notes = Notes()
    study = Study(
        base=base,
        axes={"selection.keep_ratio": [0.5, 0.25], "seed": [0, 1], "selection.scorer": ["fisher", "attention"]},
    )
    study.execute(tmp_path / "out", progress=notes)

    assert notes.ran.count("teacher") == 2
    for name, member in study.members.items():
        member.run.execute(tmp_path / "alone" / name)
        together, alone = (tmp_path / place / name for place in ("out/runs", "alone"))
        first, second = (
            without_times(json.loads((root / "result.json").read_text(encoding="utf-8"))) for root in (together, alone)
        )
        assert first == second
        for model in ("teacher", "pruned", "student"):
            weights = f"{model}/model.safetensors"
            assert (together / weights).read_bytes() == (alone / weights).read_bytes()
