"""Executors of a study: equal results from all, whatever dies meanwhile; and what is said where they cannot work."""

import json
import os
import signal
import subprocess
import sys

import pytest
from studies import once
from studies.conftest import SHORT, Notes, short_tables

from shortstack import ConfigurationError, Registry, Run, Study, UnknownNameError, WorkerError
from shortstack.config.writer import unstructure
from shortstack.pipeline.teacher import TEACHER_STAGE
from shortstack.progress import Silent
from shortstack.studies.executors import Choice
from shortstack.studies.executors.processes import LocalProcesses, shares
from shortstack.studies.executors.sent import _sendable, attempt_sent, in_lines

TIMES = ("ms_per_user_1", "ms_per_user_32", "users_per_second")
PROCESSES = pytest.param({"jobs": 2}, id="processes")
RAY = pytest.param({"ray": "local", "jobs": 2}, id="ray")
SCRIPT = """
import json, sys
from shortstack import Run, Study
from shortstack.progress import Silent
from studies.test_executors import teachers_parts

if __name__ == "__main__":
    print(teachers_parts(json.loads(sys.argv[1])), flush=True)
    study = Study(base=Run.from_mapping(json.loads(sys.argv[1])), axes={"selection.keep_ratio": [0.5, 0.25]})
    study.execute(sys.argv[2], jobs=2, progress=Silent())
"""


@pytest.fixture(scope="session")
def watched(little_ring):
    """A run with four steps of each training, a checkpoint every two, and the callback."""
    fit = {**SHORT, "steps": 4, "evaluate_every": 2}
    tables = short_tables(little_ring, selection={"scorer": "fisher", "keep_ratio": 0.5})
    teacher = {**tables["teacher"], "fit": fit}
    return {**tables, "teacher": teacher, "distillation": {"fit": fit}, "callbacks": ["studies.once:Once"]}


@pytest.fixture
def study_of_two(watched, monkeypatch, tmp_path):
    """Two sizes of it, and a run without data; the callback writes to ``tmp_path``."""
    monkeypatch.setenv(once.FOLDER, str(tmp_path))
    monkeypatch.setenv(once.VICTIM, "self")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # of workers that Ray starts
    base = Run.from_mapping(watched)
    return Study(base=base, axes={"selection.keep_ratio": [0.5, 0.25]}, runs=[{"data.min_rating": 9.0}])


def teachers_parts(tables):
    """Return what a teacher's key is made of in this process, on one line: every process must find the same."""
    return json.dumps(unstructure(TEACHER_STAGE.depends_on(Run.from_mapping(tables), Registry.from_environment())))


def table(result):
    """Return a table of results without times."""
    return result.to_polars().drop(TIMES)


@pytest.fixture(scope="session")
def in_turn(watched, tmp_path_factory):
    """The table of that study in one process."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("turn")
        patch.setenv(once.FOLDER, str(folder))
        (folder / "sent").touch()
        base = Run.from_mapping(watched)
        study = Study(base=base, axes={"selection.keep_ratio": [0.5, 0.25]}, runs=[{"data.min_rating": 9.0}])
        return table(study.execute(folder / "out", progress=Silent()))


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")  # of Ray itself
@pytest.mark.parametrize("how", [PROCESSES, RAY])
def test_equal_results_though_a_worker_was_killed(how, study_of_two, in_turn, tmp_path):
    """It dies while the teacher trains, which goes on from the checkpoint; each unique stage is done once."""
    notes = Notes()
    result = study_of_two.execute(tmp_path / "out", progress=notes, **how)

    assert list(result.failed) == ["min_rating=9.0"], result.failed
    assert table(result).equals(in_turn)
    # the teacher; then two students, in whatever order
    assert once.steps(tmp_path)[:5] == [1, 2, 3, 3, 4]
    assert sorted(once.steps(tmp_path)[5:]) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert sum("teacher: done in" in note for note in notes.told) == 1
    assert [note.split(": ")[1] for note in notes.told if ": taken from " in note] == [
        "data",
        "teacher",
        "calibration",
        "importance",
    ]


@pytest.mark.full
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_the_end_of_the_parent_ends_its_processes(sent, watched, in_turn, study_of_two, tmp_path, monkeypatch):
    """However it ended; and the same study goes on from the checkpoint."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    settings = {once.VICTIM: "parent", once.SIGNAL: str(int(sent))}
    command = [sys.executable, str(script), json.dumps(watched), str(tmp_path / "out")]
    done = subprocess.run(command, check=False, capture_output=True, env={**os.environ, **settings}, text=True)
    # waits for all processes that are still at work
    result = study_of_two.execute(tmp_path / "out", progress=Silent())

    assert done.returncode == -sent
    assert done.stdout.splitlines()[0] == teachers_parts(watched)
    assert once.steps(tmp_path)[:5] == [1, 2, 3, 3, 4]
    assert table(result).equals(in_turn)


class Deadly:
    """Ends the process that reads it."""

    def __reduce__(self):
        """Return what is called there."""
        return os._exit, (3,)


@pytest.mark.full
def test_a_stage_whose_process_always_dies(study, tmp_path):
    """It is tried three times, then the run has failed, with how the process ended."""
    from shortstack.pipeline.pieces import Piece
    from shortstack.studies.executors import Work

    (tmp_path / "runs").mkdir()
    notes = Notes()
    executor = LocalProcesses(1, folder=tmp_path, progress=notes)
    executor.submit(
        Work(name="deadly", piece=Piece(run=Deadly(), root=tmp_path, stage="teacher", key="k", work="k", finished={}))
    )
    (ended,) = executor.ended()
    executor.close()

    assert isinstance(ended.error, WorkerError)
    assert str(ended.error).startswith(
        "the process that performed the stage 'teacher' ended with exit code 3, 3 times; if"
    )
    assert notes.told == ["deadly: the process that performed teacher ended with exit code 3; it is tried again"] * 2


def test_what_cannot_be_sent_is_refused_before_any_work(base, tmp_path):
    """An object that only this process has; the message says what to do."""
    local = Study(base=Run.from_mapping({**short_tables("ring.csv"), "callbacks": [_local_callback()]}))

    with pytest.raises(ConfigurationError, match=r"run 'base' holds an object .* or execute the study with jobs = 1"):
        local.execute(tmp_path / "out", jobs=2)
    with pytest.raises(ConfigurationError, match="know none of a registry that is given; leave it out, or"):
        Study(base=base).execute(tmp_path / "out", jobs=2, registry=Registry())
    assert not (tmp_path / "out").exists()


def _local_callback():
    from transformers import TrainerCallback

    class Local(TrainerCallback):
        """A class that no import finds."""

    return Local()


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True])
def test_a_number_of_jobs(jobs):
    """A whole number from 1."""
    with pytest.raises(ConfigurationError, match="jobs is a number of stages at a time, 1 or more, got"):
        Choice(jobs=jobs)


def test_ray_is_not_installed(base, tmp_path, monkeypatch):
    """The message names the extra."""
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(
        ConfigurationError, match=r'Ray is not installed; install it with pip install "shortstack\[ray\]"'
    ):
        Study(base=base).execute(tmp_path / "out", ray="local")


@pytest.mark.full
def test_there_is_no_cluster(base, tmp_path, monkeypatch):
    """An address where nothing listens, and one that is none."""
    with pytest.raises(
        ConfigurationError, match=r"there is no Ray cluster at 'nowhere' \(.*\); start one with ray start"
    ):
        Study(base=base).execute(tmp_path / "out", ray="nowhere")


@pytest.mark.parametrize(
    ("gpus", "jobs", "shown"),
    [
        ("", 2, [(), ()]),
        ("0,1,2,3", 2, [("0", "2"), ("1", "3")]),
        ("5", 2, [("5",), ("5",)]),
        ("a,b", 3, [("a",), ("b",), ("a",)]),
    ],
)
def test_gpus_and_threads_are_divided(gpus, jobs, shown, monkeypatch, tmp_path):
    """Whole GPUs each, by the names of the environment; shared where they are too few."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)

    divided = shares(jobs, tmp_path)
    assert [share.gpus for share in divided] == shown
    assert {share.threads for share in divided} == {7 // jobs}


def test_lines_begin_with_the_run():
    """Each as it is complete, long ones whole."""
    told = []
    progress = in_lines(told.append, "keep_ratio=0.5")
    progress.kept("data")
    progress.note("a long line " * 40)

    assert told == ["keep_ratio=0.5: data: kept", f"keep_ratio=0.5: {'a long line ' * 40}"]


def test_an_error_that_cannot_leave_its_process():
    """Its text does, its kind where it is none of ours, and whether it is of one run."""
    ours, theirs = UnknownNameError("scorer", "fischer", ["fisher"]), _OddError(1, 2)
    ours.of_one_run = True

    assert str(_sendable(ours)) == str(ours)
    assert (type(_sendable(theirs)), str(_sendable(theirs))) == (WorkerError, "_OddError: odd")
    assert _sendable(ours).of_one_run
    assert _sendable(None) is None


class _OddError(Exception):
    def __init__(self, first, second):
        super().__init__("odd")


def test_settings_that_another_process_cannot_read():
    """The stage fails with what was wrong."""
    error = attempt_sent(b"no pickle", print)

    assert str(error).startswith("what the settings hold cannot be read in another process (UnpicklingError: ")
