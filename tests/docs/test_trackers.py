"""The page about trackers: its settings are read, its extras exist, its code runs."""

import re
import tomllib
from pathlib import Path

from shortstack.config.reader import structure
from shortstack.config.run_tables import DistillationSettings
from shortstack.config.training import FitSettings
from shortstack.distillation.trackers import EXTRAS, require_trackers
from shortstack.report.trackers import SUMMARIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trackers.md").read_text(encoding="utf-8")


def block(language):
    """Return the page's block of code in a language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return code


def test_its_settings():
    """Both tables are read, and the trackers are there."""
    tables = tomllib.loads(block("toml"))
    teacher = structure(FitSettings, tables["teacher"]["fit"], "teacher.fit")
    student = structure(DistillationSettings, tables["distillation"], "distillation").fit

    assert teacher.report_to == ("mlflow",)
    assert student.report_to == ("mlflow", "tensorboard")
    require_trackers(student.report_to)


def test_its_extras():
    """Each is declared, and those are the trackers that get a finished run."""
    rows = re.findall(r"^\| `(\w+)` \| `pip install 'shortstack\[(\w+)\]'`", PAGE, re.MULTILINE)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    assert rows == [(name, name) for name in EXTRAS]
    assert list(EXTRAS) == list(SUMMARIES)
    assert set(EXTRAS) <= declared.keys()


def test_its_code(tmp_path, monkeypatch):
    """The arguments name the tracker and the training."""
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block("python"), names)  # noqa: S102 -- our own page

    assert names["arguments"].report_to == ["tensorboard"]
    assert names["arguments"].run_name == "books/student"
