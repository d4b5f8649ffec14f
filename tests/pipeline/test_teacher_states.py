"""A run's student learns from a cache of its teacher's final states where that is possible and pays."""

import shutil
from types import SimpleNamespace

import pytest

from shortstack import Run
from shortstack.errors import ConfigurationError, DiskFullError
from shortstack.files import read_json
from shortstack.pipeline import teacher_states
from shortstack.result import RunResult
from shortstack.run_layout import TEACHER_STATES

LOSSES = {"labels": 1.0, "soft-targets": 1.0}


@pytest.fixture
def notes():
    """Progress that keeps what it is to tell the user."""
    from shortstack.progress import Silent

    class Told(Silent):
        def __init__(self):
            self.notes, self.jobs = [], []

        def note(self, text):
            self.notes.append(text)

        def job(self, name, total):
            self.jobs.append(name)
            return super().job(name, total)

    return Told()


@pytest.fixture
def run(ring, tables, tmp_path, notes):
    """Executes the tiny run with settings of the distillation, in one folder."""
    fit = tables(ring)["distillation"]["fit"]

    def execute(**distillation):
        parts = {"losses": LOSSES, "fit": {**fit, "steps": 24}, **distillation}
        changes = {"distillation": parts, "evaluation": {"resamples": 100, "scratch": False}}
        return Run(**tables(ring, **changes)).execute(tmp_path / "run", progress=notes)

    return execute


def caches(tmp_path):
    """Return the folders of complete caches in the run's folder."""
    return sorted(path.parent for path in (tmp_path / "run" / TEACHER_STATES).glob("*/cache.json"))


def figures(result: RunResult):
    """Return the student's metrics that are defined."""
    return {name: value for name, value in result.metrics["student"].items() if value is not None}


def test_the_cache_gives_the_student_of_the_teacher(run, tmp_path, notes):
    """With it and without it the student's metrics and last losses are equal to rounding."""
    cached = run()
    assert len(caches(tmp_path)) == 1
    assert "teacher states" in notes.jobs
    with_cache = read_json(tmp_path / "run" / "student" / "training.json")["curve"]
    live = run(cache="off")
    without = read_json(tmp_path / "run" / "student" / "training.json")["curve"]

    assert [r["loss"] for r in with_cache] == pytest.approx([r["loss"] for r in without], rel=1e-4)
    assert figures(cached) == pytest.approx(figures(live), rel=1e-4)


def test_it_is_used_again(run, tmp_path, notes, monkeypatch):
    """Another temperature trains another student from the same cache, and loads no teacher for it."""
    run()
    (before,) = caches(tmp_path)
    notes.jobs.clear()
    monkeypatch.setattr(teacher_states, "StageModel", SimpleNamespace())  # so that no teacher can be loaded for it
    run(losses={"labels": 1.0, "soft-targets": {"temperature": 4.0}})
    assert caches(tmp_path) == [before]
    assert "teacher states" not in notes.jobs


@pytest.mark.parametrize(
    "changes",
    [
        {"losses": {"labels": 1.0}},
        {"losses": {**LOSSES, "hidden-states": 1.0}},
        {"fit": {"steps": 3, "batch_size": 16, "warmup_steps": 0, "evaluate_every": 3}},
    ],
    ids=["no-teacher", "needs-states", "less-than-two-epochs"],
)
@pytest.mark.full
def test_auto_writes_none_where_it_has_no_use(run, tmp_path, changes):
    """No loss needs a teacher, one needs more than logits, or the examples are hardly seen twice."""
    run(**changes)
    assert not (tmp_path / "run" / TEACHER_STATES).exists()


def test_forced_with_a_loss_on_states(run):
    """The message names the loss and both ways out."""
    with pytest.raises(ConfigurationError, match=r"'hidden-states' needs the teacher's states, .*cache = .off"):
        run(losses={**LOSSES, "hidden-states": 1.0}, cache="on")


@pytest.mark.full
def test_a_damaged_cache_is_said_and_written_again(run, tmp_path, notes):
    """Its states are not used."""
    run()
    (place,) = caches(tmp_path)
    content = bytearray((place / "states.bin").read_bytes())
    content[8] ^= 1
    (place / "states.bin").write_bytes(content)
    notes.jobs.clear()
    run(losses={**LOSSES, "soft-targets": {"temperature": 4.0}})
    assert any("states.bin" in note and note.endswith("it is written again") for note in notes.notes)
    assert "teacher states" in notes.jobs


def test_a_disk_without_room(run, tmp_path, notes, monkeypatch):
    """By itself the teacher runs, and it is said; where the cache is asked for, the message names the sizes."""
    monkeypatch.setattr(
        teacher_states,
        "shutil",
        SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=1 << 30), rmtree=shutil.rmtree),
    )
    run()
    assert not caches(tmp_path)
    assert any(
        note.startswith("the teacher runs at every step: the teacher's final states take") for note in notes.notes
    )
    with pytest.raises(
        DiskFullError, match=r"take 0\.0 GB, and the disk of .* has 0\.0 GB to spare; make room for them"
    ):
        run(cache="on")


@pytest.mark.full
def test_another_teachers_cache_goes(run, tmp_path):
    """A cache of a teacher that is no more is removed, for it is large."""
    run()
    (before,) = caches(tmp_path)
    run(fit={"steps": 48, "batch_size": 8, "warmup_steps": 0, "evaluate_every": 12, "precision": "bfloat16"})
    (after,) = caches(tmp_path)
    assert before != after
