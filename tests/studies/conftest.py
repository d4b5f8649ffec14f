"""A study that takes seconds: short trainings of a tiny model over a ring of items."""

import pytest
from pipeline.conftest import ring_tables, write_ring
from studies.made_up import write_study

from shortstack import Run, Study, StudyResult
from shortstack.progress import Silent

SHORT = {"batch_size": 16, "learning_rate": 0.01, "warmup_steps": 0}


class Notes(Silent):
    """Progress that records each run's name and, after it, the stages that it ran, kept and took."""

    def __init__(self):
        self.ran, self.left, self.told = [], [], []

    def kept(self, stage):
        """Record a stage that was kept."""
        self.left.append(stage)

    def note(self, text):
        """Record what is told."""
        self.told.append(text)

    def stage(self, stage):
        """Record a stage that runs."""
        self.ran.append(stage)
        return super().stage(stage)


def short_tables(source, **changes):
    """Return the tables of a run with two steps of each training, and without a model from scratch."""
    tables = ring_tables(source)
    fit = {**SHORT, "steps": 2, "evaluate_every": 2}
    teacher = {**tables["teacher"], "fit": fit}
    short = {"teacher": teacher, "distillation": {"fit": fit}, "evaluation": {"resamples": 100, "scratch": False}}
    return {**tables, **short, "importance": {"scorers": ["fisher", "attention"], "examples": 4}, **changes}


@pytest.fixture(scope="session")
def little_ring(tmp_path_factory):
    """Ratings of twenty users."""
    return write_ring(tmp_path_factory.mktemp("data") / "ring.csv", users=20)


@pytest.fixture(scope="session")
def base(little_ring):
    """The run that the others are changes of."""
    return Run.from_mapping(short_tables(little_ring, selection={"scorer": "fisher", "keep_ratio": 0.5}))


@pytest.fixture(scope="session")
def study(base):
    """Two sizes, and a run whose data are empty."""
    return Study(base=base, axes={"selection.keep_ratio": [0.5, 0.25]}, runs=[{"data.min_rating": 9.0}])


@pytest.fixture(scope="session")
def executed(study, tmp_path_factory):
    """That study's folder, result and progress; read only."""
    folder, notes = tmp_path_factory.mktemp("studies") / "out", Notes()
    return folder, study.execute(folder, progress=notes), notes


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """A study of made-up figures: two data sets, three scorers, two sizes, two seeds, and a run that failed; read only."""
    result = StudyResult.load(write_study(tmp_path_factory.mktemp("made-up")))
    result.save()
    return result


@pytest.fixture(scope="session")
def summary(made_up):
    """What its report is made of."""
    return made_up._summary
