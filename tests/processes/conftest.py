"""The command that runs a module's ``tables`` in several processes, the result of one, and their comparison."""

import json
import os
import subprocess
import sys

import pytest
from documents import ROOT
from pipeline.conftest import ring_tables, write_ring

from shortstack import Run
from shortstack.progress import Silent

SCORERS = ["fisher", "attention", "gradient", "hybrid", "drop-loss"]


def as_toml(tables, prefix=""):
    """Return tables as TOML."""
    plain = [f"{name} = {json.dumps(value)}" for name, value in tables.items() if not isinstance(value, dict)]
    inner = [(name, value) for name, value in tables.items() if isinstance(value, dict)]
    return "\n".join([*plain, *(f"[{prefix}{name}]\n{as_toml(value, f'{prefix}{name}.')}" for name, value in inner)])


def measured_run(folder, **more):
    """Return the tables of a run that trains twice, and chooses its layers by measuring."""
    return ring_tables(
        write_ring(folder / "ring.csv"),
        importance={"scorers": SCORERS, "examples": 24, "batch_size": 5},
        selection={"keep_layers": 2, "scorer": "fisher", "strategy": "greedy"},
        evaluation={"resamples": 100, "scratch": False},
        **more,
    )


@pytest.fixture(scope="module")
def alone(tables, tmp_path_factory):
    """The result of one process."""
    return Run.from_mapping(tables).execute(tmp_path_factory.mktemp("alone") / "run", progress=Silent())


@pytest.fixture
def command(tables, tmp_path):
    """Runs the command with more arguments, and returns its exit code, output and errors."""
    (tmp_path / "run.toml").write_text(as_toml(tables), encoding="utf-8")

    def run(*arguments, **environment):
        words = [sys.executable, "-m", "shortstack", "run", "run.toml", "--out", "out", *arguments]
        here = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests"), **environment}
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env=here,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
            stdin=subprocess.DEVNULL,
        )
        errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, errors

    return run


def require_equal(folder, alone):
    """A run's result is that of one process, but for the last digits of float32."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))

    assert alone.selection == result["selection"]
    for name, scores in alone.importance.items():
        assert result["importance"][name] == pytest.approx(scores, abs=1e-5 * max(map(abs, scores)))
    for method, metrics in alone.metrics.items():
        defined = {name: value for name, value in metrics.items() if value is not None}
        theirs = {name: value for name, value in result["metrics"][method].items() if value is not None}
        assert theirs == pytest.approx(defined, rel=2e-3), method
    assert [] == list(folder.glob(".*"))
