"""The page about ``result.json`` documents the keys of a real one, and no others."""

import json
import re

import attrs
import pytest
from documents import ROOT
from pipeline.conftest import ring_tables, write_ring

from shortstack import Run, RunResult

PAGE = (ROOT / "docs" / "reference" / "result.md").read_text(encoding="utf-8")
PATHS = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
ONLY_OF_SOME = ("calibration.", "baselines.")
"""Of ratings, and of baselines that are trained."""
ONLY_IF_MEASURED = "cost.training.MODEL[].gradient_norm/NAME"


def pattern(path):
    """Return a regular expression of a documented path: a name in capitals is any, an ellipsis all that is below."""
    pieces = re.split(r"([A-Z]{3,}|…)", path)
    meaning = {"…": ".*"}
    return "".join(meaning.get(p, "[^.]+") if re.fullmatch(r"[A-Z]{3,}|…", p) else re.escape(p) for p in pieces)


def keys(value, path=""):
    """Yield the path of each value that is no mapping; lists of mappings end in []."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from keys(item, f"{path}.{name}" if path else name)
        if not value:
            yield f"{path}."
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from keys(value[0], f"{path}[]")
    else:
        yield path


def test_every_field_is_there_in_order():
    """Each field of the class has a row, in the file's order."""
    assert [*dict.fromkeys(re.split(r"[.\[]", path)[0] for path in PATHS)] == [f.name for f in attrs.fields(RunResult)]


@pytest.mark.full
def test_a_real_result(tmp_path):
    """Every key is documented, and every documented key is there, but for those of ratings, trained baselines and measured gradients."""
    tables = ring_tables(write_ring(tmp_path / "ring.csv"))
    tables["selection"] = {"keep_layers": 1, "schedule": [2]}
    run = Run.from_mapping(tables)
    run.execute(tmp_path / "run")
    written = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    there = {*keys(written)} - {*ONLY_OF_SOME, "audit.details.", "digest"}  # which no field holds
    patterns = {path: re.compile(pattern(path)) for path in PATHS}

    assert {key for key in there if not any(one.fullmatch(key) for one in patterns.values())} == set()
    missing = {path for path, one in patterns.items() if not any(one.fullmatch(key) for key in there)}
    assert {p for p in missing if not p.startswith(ONLY_OF_SOME)} <= {ONLY_IF_MEASURED, "audit.…"}
