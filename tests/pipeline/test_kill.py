"""A run killed at any moment and resumed gives the result of an uninterrupted run."""

import json
import os
import signal
import subprocess
import sys

import pytest
from pipeline.conftest import without_times
from pipeline.test_run import STAGES

KILLER = """
import json, os, signal, sys
import torch
from shortstack import Run
from shortstack.progress import Silent

torch.set_num_threads(1)
tables, folder, stage, moment = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]

class Killer(Silent):
    '''Kills the process at the start of a stage, before its result is put in place, or at a training step.'''

    def stage(self, name):
        if (name, moment) == (stage, "start"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().stage(name)

    def job(self, name, total):
        from contextlib import contextmanager

        @contextmanager
        def killing():
            def step(done, note=""):
                if name == stage and moment == f"step {done}" and not note:
                    os.kill(os.getpid(), signal.SIGKILL)
            yield step
        return killing()

if moment == "end":
    from shortstack.pipeline import stage as stages

    put = stages._put_in_place
    def kill_at_the_end(result, target):
        if json.loads((result / "stage.json").read_text())["stage"] == stage:
            os.kill(os.getpid(), signal.SIGKILL)
        put(result, target)
    stages._put_in_place = kill_at_the_end

Run.from_mapping(tables).execute(folder, progress=Killer())
"""


def attempt(tables, folder, stage="none", moment="none"):
    """Run in a new process, and return the signal that ended it, or 0."""
    command = [sys.executable, "-c", KILLER, json.dumps(tables), str(folder), stage, moment]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode > 0:
        pytest.fail(done.stderr)
    return -done.returncode


def result_of(folder):
    """Return the result without the fields that may differ: times, memory."""
    return without_times(json.loads((folder / "result.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def uninterrupted(ring, tables, tmp_path_factory):
    """Result of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert attempt(tables(ring), folder) == 0
    return result_of(folder)


@pytest.mark.full
def test_killed_while_the_teacher_and_the_student_train(ring, tables, tmp_path, uninterrupted):
    """Training goes on from its last checkpoint, to the same result."""
    folder = tmp_path / "run"

    assert attempt(tables(ring), folder, "teacher", "step 7") == signal.SIGKILL
    assert list(folder.glob(".teacher.partial/checkpoints/checkpoint-4")) != []
    assert attempt(tables(ring), folder, "distillation", "step 6") == signal.SIGKILL
    assert attempt(tables(ring), folder) == 0
    assert uninterrupted == result_of(folder)
    assert list(folder.glob(".*")) == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("stage", "moment"),
    [
        (stage, moment)
        for stage in STAGES[:-1]  # the report has no folder
        for moment in ("start", "end")
    ]
    + [
        ("teacher", "step 1"),
        ("teacher", "step 12"),
        ("distillation", "step 8"),
        ("scratch", "step 5"),
        ("report", "start"),
    ],
)
def test_killed_in_each_stage(ring, tables, tmp_path, uninterrupted, stage, moment):
    """Kills come before a stage, after it but before its result is in place, and in the middle of training."""
    assert attempt(tables(ring), tmp_path / "run", stage, moment) == signal.SIGKILL
    assert attempt(tables(ring), tmp_path / "run") == 0
    assert uninterrupted == result_of(tmp_path / "run")
