"""A run whose folder is moved under it: nothing is made anew in the old place, and the new place goes on."""

from contextlib import contextmanager

import pytest

from shortstack import Run
from shortstack.errors import RunFolderError
from shortstack.progress import Silent


class Mover(Silent):
    """Moves the folder when something is reported for the so-and-so-manieth time."""

    def __init__(self, folder, moment):
        """Count from there."""
        self._folder, self._left = folder, moment

    @contextmanager
    def stage(self, name):
        """A stage begins."""
        self._tick()
        yield

    @contextmanager
    def job(self, name, total):
        """A step is done."""
        yield lambda *_: self._tick()

    def _tick(self):
        self._left -= 1
        if self._left == 0:
            self._folder.rename(self._folder.with_name("moved"))


def moved_at(moment, run, tmp_path):
    """Move at a moment."""
    folder = tmp_path / "run"
    with pytest.raises(
        RunFolderError, match=r"run was moved or removed while a run was writing to it; start the run again"
    ):
        run.execute(folder, progress=Mover(folder, moment))

    assert not folder.exists()
    assert (tmp_path / "moved" / "run.json").is_file()


@pytest.fixture
def run(ring, tables):
    """A short one."""
    changes = {
        "importance": {"scorers": ["magnitude"], "examples": 16},
        "selection": {"keep_ratio": 0.25, "scorer": "magnitude"},
    }
    return Run.from_mapping(tables(ring, evaluation={"resamples": 100, "scratch": False}, **changes))


@pytest.mark.parametrize("moment", [1, 4])
def test_early(run, tmp_path, moment):
    """Before the data are read, and in the first training."""
    moved_at(moment, run, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("moment", [2, 3, 9, 14, 16, 18, 20, 22, 26, 30])
def test_later(run, tmp_path, moment):
    """In every stage; the run in the new place ends as if nothing had happened."""
    moved_at(moment, run, tmp_path)
    assert run.execute(tmp_path / "moved").selection["of"] == 4


def test_what_is_left_of_an_unfinished_stage_is_no_obstacle(run, tmp_path):
    """A checkpoint that was written in the moment of the move made the folder again: a run may start there."""
    debris = tmp_path / ".teacher.partial" / "checkpoints" / "checkpoint-4"
    debris.mkdir(parents=True)
    run.prepare(tmp_path)
    assert (tmp_path / "data" / "stage.json").is_file()


def test_other_hidden_folders_are_someones(run, tmp_path):
    """As before."""
    (tmp_path / ".mine.partial" / "thesis").mkdir(parents=True)
    with pytest.raises(RunFolderError, match="holds something else"):
        run.prepare(tmp_path)
