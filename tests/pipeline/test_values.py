"""Settings built in Python are validated as those of a file, with the same messages."""

from pathlib import Path

import pytest
from pipeline.conftest import ring_tables

from shortstack import Budget, FitSettings, Run
from shortstack.config.run_tables import (
    DataSettings,
    EvaluationSettings,
    ImportanceSettings,
    SelectionSettings,
    TeacherSettings,
)
from shortstack.errors import ConfigurationError

TABLES = {"data": {"source": "there"}, "teacher": {"path": "there"}}
WRONG = {
    "device": (lambda: Run(**TABLES, device="gpu"), "unknown value of device: 'gpu'; did you mean 'cpu'?"),
    "seed": (lambda: Run(**TABLES, seed=1.5), "seed takes a whole number, got 1.5"),
    "negative seed": (lambda: Run(**TABLES, seed=-1), "seed: 'seed' must be >= 0"),
    "rating": (lambda: DataSettings(source="x", min_rating="a"), "data.min_rating takes a number, got 'a'"),
    "core": (lambda: DataSettings(source="x", core=-1), "data.core: 'core' must be >= 0: -1"),
    "source": (lambda: DataSettings(source=3.5), "data.source takes a text, got 3.5"),
    "protocol": (lambda: EvaluationSettings(protocol="fulll"), "unknown value of evaluation.protocol: 'fulll'"),
    "scorers": (lambda: ImportanceSettings(scorers="fisher"), "importance.scorers takes a list, got 'fisher'"),
    "steps": (lambda: FitSettings(steps=0), "fit.steps: 'steps' must be >= 1: 0"),
    "teacher's fit": (lambda: TeacherSettings(path="x", fit={"stepps": 1}), "unknown setting of teacher.fit: 'stepps'"),
    "share": (lambda: SelectionSettings(parameters=0.25), 'for that share write "25%"'),
    "layers": (
        lambda: SelectionSettings(keep_layers=2.0),
        "selection.keep_layers takes a text or a whole number, got 2.0",
    ),
    "two budgets": (lambda: SelectionSettings(keep_layers=2, parameters="25%"), "a budget is exactly one of"),
    "a nested table": (
        lambda: Run(**TABLES, selection={"keep_ratio": 2.0}),
        "keep_ratio must be above 0 and at most 1",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_values_fail_when_they_are_built(what):
    """The error is one sentence that names the setting."""
    build, message = WRONG[what]
    with pytest.raises(ConfigurationError) as refused:
        build()

    assert message in str(refused.value)


def test_a_file_and_python_say_the_same():
    """A wrong value gives the same error in a file and in Python."""
    with pytest.raises(ConfigurationError) as of_python:
        DataSettings(source="x", min_rating="a")
    with pytest.raises(ConfigurationError) as of_a_file:
        Run.from_mapping(ring_tables("x", data={"source": "x", "min_rating": "a"}))

    assert str(of_python.value) == str(of_a_file.value)


def test_a_path_is_a_text():
    """A path object is accepted in place of a text, as everywhere in Python."""
    assert DataSettings(source=Path("a") / "b").source == str(Path("a") / "b")
    assert TeacherSettings(path=Path("a")).path == "a"


@pytest.mark.parametrize(
    "selection", [{"strategy": "last"}, SelectionSettings(strategy="last")], ids=["mapping", "object"]
)
def test_without_a_budget_a_quarter_stays(selection):
    """Another setting of the table does not take the default away."""
    assert Run(**TABLES, selection=selection).selection.budget == Budget(keep_ratio=0.25)


def test_one_budget_takes_the_place_of_the_default():
    """Any one budget replaces the default."""
    assert SelectionSettings(parameters="25%").budget == Budget(parameters="25%")
    assert SelectionSettings(latency_ms=1).budget == Budget(latency_ms=1)
