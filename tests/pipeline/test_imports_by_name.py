"""A stranger's run folder imports nothing: what its settings name as ``module:attribute`` is refused before any work."""

import json
import sys

import pytest
from pipeline.test_cli import call, to_toml
from report.conftest import a_result

from shortstack import Run
from shortstack.config.resolve import attribute_named, no_imports_by_name
from shortstack.errors import ConfigurationError
from shortstack.registry.source_digest import source_digest_of_name
from shortstack.report import write_report

NAMES = {
    "task": {"name": "{}:x"},
    "selection": {"strategy": "{}:x"},
    "distillation": {"balancing": "{}:x"},
    "callbacks": ["{}:x"],
    "metrics": {"metrics": ["{}:x"]},
    "baselines": {"baselines": ["{}:x"]},
}
"""Each place where settings take the name of code."""


@pytest.fixture
def bait(tmp_path, monkeypatch):
    """A module that leaves a file when it is imported."""
    name = f"bait_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\nx = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def with_name(tables, ring, place, bait):
    """The tables of a run in which one place names the bait."""
    named = json.loads(json.dumps(NAMES[place]).replace("{}", bait))
    return tables(ring, **{"evaluation" if place in {"metrics", "baselines"} else place: named})


@pytest.fixture(params=NAMES)
def settings(request, ring, tables, bait):
    """Settings of a run in which one place names the bait."""
    return with_name(tables, ring, request.param, bait)


@pytest.mark.parametrize("command", [["audit"], ["plan", "--tflops", "1"], ["recommend", "--history", "x"]])
def test_commands(settings, tmp_path, capsys, command):
    """Audit, plan and recommend of its folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(settings))
    code, _out, err = call(command[0], str(folder), *command[1:], capsys=capsys)

    assert not (tmp_path / "sprung").exists()
    if command[0] == "audit":
        assert code == 2
        assert "would be imported, and the settings in a run's folder may have been written by others" in " ".join(
            err.split()
        )


def test_the_report(bait, tmp_path):
    """It is made of the result alone."""
    result = a_result()
    result.config["task"] = {"name": f"{bait}:x"}
    result.save(tmp_path)
    write_report(tmp_path)

    assert not (tmp_path / "sprung").exists()


def test_a_file_of_ones_own(ring, tables, bait, tmp_path, capsys):
    """``run FILE`` imports what the file names, and so does ``audit --imports``: it was asked to."""
    path = tmp_path / "run.toml"
    path.write_text(to_toml(with_name(tables, ring, "task", bait)))
    code, _out, err = call("run", str(path), "--out", str(tmp_path / "out"), capsys=capsys)

    assert code == 2
    assert "must be an attrs class, got 1" in err
    assert (tmp_path / "sprung").exists()


def test_an_audit_that_may_import(ring, tables, bait, tmp_path, capsys):
    """Of a run that one trusts."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(with_name(tables, ring, "task", bait)))
    code, _out, err = call("audit", str(folder), "--imports", capsys=capsys)

    assert code == 2
    assert "must be an attrs class, got 1" in err


def test_the_refusal_ends(bait):
    """Outside of the block names are imported as before; what was given as an object never is."""
    with no_imports_by_name():
        for read in (lambda: attribute_named("task", f"{bait}:x"), lambda: source_digest_of_name(f"{bait}:x")):
            with pytest.raises(
                ConfigurationError, match=r"say shortstack audit --imports, or give shortstack plan the run's TOML"
            ):
                read()
        assert Run(data="x", teacher={"config": {"model_type": "llama"}}, task="next-item").task.name == "next-item"
    assert attribute_named("task", f"{bait}:x") == 1
