"""``result.json``: its keys, its round trip, its refusals."""

import json
import math

import pytest

from shortstack.errors import DataError, NonFiniteError, SourceNotFoundError
from shortstack.result import RunResult

KEYS = [
    "schema",
    "shortstack",
    "plugins",
    "config",
    "environment",
    "data",
    "cost",
    "verdict",
    "importance",
    "audit",
    "selection",
    "parameters",
    "metrics",
    "intervals",
    "comparisons",
    "headlines",
    "calibration",
    "cases",
    "baselines",
    "digest",
]


def test_what_was_saved_is_loaded(result, tmp_path):
    """Every value comes back, and nothing unfinished stays behind."""
    path = result.save(tmp_path)

    assert result == RunResult.load(tmp_path)
    assert [path] == list(tmp_path.iterdir())


def test_the_keys_are_those_of_the_design(result, tmp_path):
    """Other programs read this file: the schema number first, then the parts in their order."""
    fields = json.loads(result.save(tmp_path).read_text(encoding="utf-8"))

    assert list(fields) == KEYS
    assert fields["schema"] == 1


def test_a_value_that_is_no_number_is_not_saved(changed, tmp_path):
    """JSON has no NaN; the file that was there stays."""
    changed().save(tmp_path)
    before = (tmp_path / "result.json").read_bytes()

    with pytest.raises(NonFiniteError, match=r"result\.json would hold a NaN or infinite value; undefined values are"):
        changed(importance={"fisher": [math.nan]}).save(tmp_path)

    assert before == (tmp_path / "result.json").read_bytes()


def test_a_folder_without_a_result_is_named(tmp_path):
    """The message says what may have happened."""
    with pytest.raises(
        SourceNotFoundError, match=r"result\.json is not there: the run has not finished, or this is not"
    ):
        RunResult.load(tmp_path)


@pytest.mark.parametrize("text", ['{"schema": 2}', "{}"])
def test_another_schema_is_refused(tmp_path, text):
    """Another schema is refused, not read in part."""
    (tmp_path / "result.json").write_text(text, encoding="utf-8")

    with pytest.raises(DataError, match=r"has schema (2|None), but this version of shortstack reads schema 1 only"):
        RunResult.load(tmp_path)


def test_a_broken_file_is_located(tmp_path):
    """A broken file is reported with file and line."""
    (tmp_path / "result.json").write_text('{\n"schema": 1,\n', encoding="utf-8")

    with pytest.raises(
        DataError, match=r"result\.json is no JSON object \(.+: line 3 .*\); run again to write it anew"
    ):
        RunResult.load(tmp_path)


def test_a_changed_figure_is_noticed(result, tmp_path):
    """Whatever value is another than was written; a result of an earlier version, without a digest, is read."""
    path = result.save(tmp_path)
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**fields, "verdict": "better"}), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"result\.json is not as it was written: its digest is of other content; run again"
    ):
        RunResult.load(tmp_path)

    del fields["digest"]
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert result == RunResult.load(tmp_path)


def test_missing_and_unknown_keys_are_named(result, tmp_path):
    """All missing and unknown keys are named at once."""
    path = result.save(tmp_path)
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["colour"] = fields.pop("cost")
    del fields["digest"]
    path.write_text(json.dumps(fields), encoding="utf-8")

    with pytest.raises(DataError, match=r"result\.json lacks 'cost', has an unknown key 'colour'; run again"):
        RunResult.load(tmp_path)
