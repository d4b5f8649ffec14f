"""Every file of a run's folder that a person may be given, damaged in every way: a result, or one line that names it."""

import json
import shutil

import pytest
from pipeline.conftest import ring_tables, write_ring
from report.conftest import a_result

from attacks.answers import accusation, accusations
from attacks.mutations import mutations, sample
from shortstack import Run
from shortstack.errors import DataError
from shortstack.pipeline.provenance import described_settings, mixture
from shortstack.progress import Silent
from shortstack.report import write_report
from shortstack.result import RunResult
from shortstack.run_layout import RECORD, RESULT, RUN

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT = {
    "evaluation": {"resamples": 100, "scratch": False},
    "importance": {"scorers": ["block-influence", "magnitude"], "examples": 16},
    "selection": {"keep_ratio": 0.25, "scorer": "block-influence"},
}


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """What says of a run's folder whose it is: settings, result, and the record of its student; without models."""
    folder = tmp_path_factory.mktemp("sound") / "run"
    (folder / "student").mkdir(parents=True)
    settings = Run(**ring_tables("ring.csv", **SHORT)).to_mapping()
    (folder / RUN).write_text(json.dumps(settings))
    (folder / "student" / RECORD).write_text(json.dumps({"stage": "student", "key": "k", "run": settings}))
    a_result().save(folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that was audited."""
    place = tmp_path_factory.mktemp("sound")
    run = Run(**ring_tables(write_ring(place / "ring.csv"), **SHORT))
    run.execute(place / "run", progress=Silent())
    run.audit(place / "run", progress=Silent())
    return place / "run"


def settings(folder):
    """What ``plan`` and ``audit`` begin with."""
    return Run.of_folder(folder)


def reported(folder):
    """The page."""
    return write_report(folder)


def read(folder):
    """The result."""
    return RunResult.load(folder)


def warned(folder):
    """What ``recommend`` says of a folder's settings."""
    return mixture(folder), described_settings(folder / "student")


READERS = {RUN: (settings, warned), RESULT: (read, reported, warned), f"student/{RECORD}": (warned,)}


def test_sound(described):
    """Nothing is wrong with them as they are."""
    assert [accusation(work, described) for works in READERS.values() for work in works] == [""] * 6


@pytest.mark.parametrize("name", READERS)
def test_some(described, name, tmp_path):
    """Two of each kind; a page is slow to draw."""
    works = [work for work in READERS[name] if work is not reported]
    assert accusations(described, name, sample(mutations(described / name), 2), works, tmp_path) == []


@pytest.mark.parametrize("value", [1.5, None, {"metrics": [{}]}])
def test_a_result_that_makes_no_page(described, value, tmp_path):
    """Its values are of other kinds than the page draws."""
    copy = shutil.copytree(described, tmp_path / "run")
    fields = json.loads((copy / RESULT).read_text())
    del fields["digest"]  # as an earlier version wrote it
    (copy / RESULT).write_text(json.dumps(fields | {"headlines": value}))
    with pytest.raises(
        DataError, match=r"result\.json holds no figures that a report is made of \(.*\); run again to write it"
    ):
        write_report(copy)


@pytest.mark.attacks
@pytest.mark.parametrize("name", READERS)
def test_all(described, name, tmp_path):
    """Each key, value, place and cut."""
    assert accusations(described, name, mutations(described / name), READERS[name], tmp_path) == []


FILES = (
    "selection/selection.json",
    "importance/importance.json",
    "data/facts.json",
    "data/items.jsonl",
    "data/sequences.safetensors",
    "calibration/batches.safetensors",
    "evaluation/evaluation.json",
    "audit/audit.json",
    "student/training.json",
    "student/config.json",
    f"selection/{RECORD}",
    f"audit/{RECORD}",
)


@pytest.mark.attacks
@pytest.mark.parametrize("name", FILES)
def test_files_of_stages(finished, name, tmp_path):
    """The run is started again in a folder in which one file is damaged: it goes on, or says which it is."""

    def again(folder):
        return Run.of_folder(finished).audit(folder, progress=Silent())

    assert accusations(finished, name, sample(mutations(finished / name), 1), [again], tmp_path) == []
