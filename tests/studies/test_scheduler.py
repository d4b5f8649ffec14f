"""The order of stages, over runs whose stages are only keys."""

from pathlib import Path

import pytest
from studies.conftest import Notes

from shortstack import DataError, DiskFullError, RunFolderError, UnsupportedModelError
from shortstack.pipeline.pieces import Piece
from shortstack.studies.executors import Ended
from shortstack.studies.scheduler import Scheduler


class Chain:
    """A run of some keys; what is finished by its key is passed over."""

    def __init__(self, name, keys, finished):
        self.name, self.left, self.finished, self.is_new = name, list(keys), finished, True

    def next_piece(self):
        """Return the first that is not finished."""
        self.is_new = False
        while self.left and self.left[0] in self.finished:
            self.left.pop(0)
        stage, key = ("stage", self.left[0]) if self.left else ("report", f"report {self.name}")
        return Piece(run=None, root=Path(self.name), stage=stage, key=key, work=key, finished={})

    def performed(self, piece):
        """Go on."""
        self.left.pop(0)
        return {piece.key: Path(self.name)}


class Recorder:
    """Ends the oldest work first, with the errors that are prepared for keys, each once."""

    def __init__(self, slots, errors):
        self.slots, self.errors, self.begun, self.open = slots, dict(errors), [], []

    def submit(self, work):
        """Record it."""
        assert len(self.open) < self.slots
        self.open.append(work)
        self.begun.append((work.name, work.piece.key))

    def ended(self):
        """End one."""
        work = self.open.pop(0)
        return [Ended(work=work, error=self.errors.pop(work.piece.key, None))]


def scheduled(chains, slots=1, errors=()):
    """Complete some runs; return what was begun, in order, and how each run ended."""
    finished, concluded, recorder = {}, {}, Recorder(slots, errors)
    runs = {name: Chain(name, keys, finished) for name, keys in chains.items()}
    Scheduler(
        runs=runs, finished=finished, executor=recorder, progress=Notes(), conclude=concluded.__setitem__
    ).complete()
    return recorder.begun, concluded


def test_in_turn_one_run_after_the_other():
    """With room for one stage the first run comes to its end first; what is equal is done once."""
    begun, concluded = scheduled({"A": ["data", "a"], "B": ["data", "b"]})

    assert begun == [("A", "data"), ("A", "a"), ("A", "report A"), ("B", "b"), ("B", "report B")]
    assert concluded == {"A": None, "B": None}


def test_teachers_of_three_seeds_train_at_a_time():
    """Equal stages are awaited, not done twice, and later runs go on meanwhile."""
    chains = {f"{ratio} {seed}": [f"teacher {seed}", f"{ratio} {seed}"] for ratio in "AB" for seed in "012"}
    begun, _ = scheduled(chains, slots=3)

    assert begun[:3] == [("A 0", "teacher 0"), ("A 1", "teacher 1"), ("A 2", "teacher 2")]
    keys = [key for _, key in begun]
    assert len(keys) == len(set(keys)) == 3 + 6 + 6


def test_stages_that_come_out_equal_are_done_once():
    """Two scorers that choose the same layers share what follows, also where both get there at a time."""
    begun, _ = scheduled({"A": ["fisher", "layers 0 1"], "B": ["gradient", "layers 0 1"]}, slots=2)

    assert [name for name, key in begun if key == "layers 0 1"] == ["A"]


def test_a_failed_stage_fails_the_runs_that_need_it():
    """Those that await it, and those that come to it later; the others go on."""
    error = DataError("no rows")
    chains = {"A": ["data", "a"], "B": ["data", "b"], "C": ["c", "data"], "D": ["d"]}
    begun, concluded = scheduled(chains, slots=2, errors={"data": error})

    assert concluded == {"A": error, "B": error, "C": error, "D": None}
    assert [key for _, key in begun].count("data") == 1


def refused():
    """Return an error of a rehearsal."""
    error = UnsupportedModelError("magnitude-2:5 cannot compress it")
    error.of_one_run = True
    return error


@pytest.mark.parametrize("error", [RunFolderError("another process is writing to A"), refused()])
def test_what_is_of_one_run_fails_it_alone(error):
    """A folder that is held, and a refused later stage: another run performs the stage in its own folder."""
    begun, concluded = scheduled({"A": ["data"], "B": ["data"]}, errors={"data": error})

    assert concluded == {"A": error, "B": None}
    assert begun == [("A", "data"), ("B", "data"), ("B", "report B")]


def test_a_report_that_fails():
    """It is one run's."""
    error = ValueError("no figure")
    _, concluded = scheduled({"A": [], "B": []}, errors={"report A": error})

    assert concluded == {"A": error, "B": None}


def test_a_full_disk_ends_all():
    """The next stage would meet it too."""
    with pytest.raises(DiskFullError, match="no room"):
        scheduled({"A": ["data"], "B": ["b"]}, errors={"data": DiskFullError("no room")})
