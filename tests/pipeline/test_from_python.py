"""A run from Python: its result knows its folder, and the process is as it was before."""

import io
import random
import subprocess
import sys
from pathlib import Path

import attrs
import numpy as np
import polars as pl
import pytest
import torch
from rich.console import Console
from transformers.utils import logging

from shortstack import Recommender, Run, RunResult
from shortstack.errors import RunFolderError, SourceNotFoundError
from shortstack.pipeline import runner
from shortstack.progress import Silent, ToConsole, default_progress


@pytest.fixture(scope="module")
def finished(ring, tables, tmp_path_factory):
    """A whole run, what the process would draw next before and after it, and how much transformers says."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 -- the global state is what is looked at
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state(), logging.get_verbosity())  # noqa: NPY002
    result = Run(**tables(ring)).execute(folder)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state(), logging.get_verbosity())  # noqa: NPY002
    return folder, result, before, after


def test_random_states_and_logging_are_as_before(finished):
    """Whoever draws on draws what they would have drawn."""
    *_, before, after = finished

    assert torch.equal(before[2], after[2])
    assert (*before[:2], before[3]) == (*after[:2], after[3])


class TestResult:
    """What ``execute`` gives."""

    def test_it_knows_its_folder(self, finished):
        """Student and report are found; so they are of a result that is read back, which equals it."""
        folder, result, *_ = finished
        read = RunResult.load(folder)

        assert read == result
        for one in (result, read):
            assert one.folder == folder
            assert one.report.read_text(encoding="utf-8").startswith("<!doctype html>")
            assert one.student().recommend(["i3"], k=2) == Recommender.from_pretrained(folder / "student").recommend(
                ["i3"], k=2
            )

    def test_metrics_as_a_table(self, finished):
        """One row a method and metric, with its interval."""
        _, result, *_ = finished
        table = result.metrics_table()
        row = table.filter((pl.col("method") == "student") & (pl.col("metric") == "ndcg@10")).row(0)

        assert row[2:] == (result.metrics["student"]["ndcg@10"], *result.intervals["student"]["ndcg@10"])
        assert len(table) == sum(map(len, result.metrics.values()))

    def test_one_without_a_folder(self, finished):
        """The error says how to read one that has it."""
        _, result, *_ = finished
        made = attrs.evolve(result)
        with pytest.raises(SourceNotFoundError, match=r"RunResult\.load\(folder\)"):
            made.student()


def test_progress_is_shown_in_a_terminal(monkeypatch):
    """And in a notebook; elsewhere a run is silent."""
    assert isinstance(default_progress(), Silent)
    monkeypatch.setattr("shortstack.progress.Console", lambda **_: Console(file=io.StringIO(), force_terminal=True))
    assert isinstance(default_progress(), ToConsole)
    monkeypatch.setattr("shortstack.progress.Console", lambda **_: Console(file=io.StringIO(), force_jupyter=True))
    assert isinstance(default_progress(), ToConsole)


def test_two_processes_on_one_folder(ring, tables, tmp_path):
    """The second is refused in a line; the first goes on."""
    run, folder = Run(**tables(ring)), tmp_path / "run"
    code = f"from shortstack import Run; import json; Run(**json.loads({run.to_json()!r})).prepare({str(folder)!r})"
    with runner._opened(run, folder, None, None):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        with pytest.raises(RunFolderError, match="another process is writing"):
            run.prepare(folder)

    assert second.stderr.splitlines()[-1].startswith("shortstack.errors.RunFolderError: another process is writing to")
    run.prepare(folder)


@pytest.mark.full
def test_the_example(ring, tmp_path):
    """``examples/from_python.py`` on a small table."""
    script = Path(__file__).parents[2] / "examples" / "from_python.py"
    command = [sys.executable, str(script), str(ring), str(tmp_path / "run"), "--steps", "4"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "top-quarter" in shown
    assert (tmp_path / "run" / "report.html").is_file()


def test_where_locks_are_missing():
    """On Windows the import itself says what to do."""
    code = (
        "import sys; sys.modules['fcntl'] = None; import shortstack; shortstack.Run(data='x', teacher='y').execute('z')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "ImportError: shortstack runs on Linux and macOS" in found.stderr
