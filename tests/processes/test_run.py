"""A run by several processes: the result of one, one line where it fails, and the same command goes on."""

import json
import os
import signal
import subprocess
import sys

import pytest
from documents import ROOT
from processes.conftest import as_toml, measured_run, require_equal

from shortstack.cli.commands import run_command
from shortstack.cli.processes import is_launched
from shortstack.errors import ConfigurationError
from shortstack.pipeline.claim import claimed


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Settings whose layers are chosen by measuring, with a callback that may interrupt."""
    return measured_run(tmp_path_factory.mktemp("ring"), callbacks=["processes.interrupting:Interrupting"])


@pytest.mark.full
def test_the_result_of_one(command, alone, tmp_path):
    """Two processes keep the same layers, with the same scores and metrics; and one process keeps all of it."""
    code, output, errors = command("--processes", "2")

    assert (0, []) == (code, errors)
    assert output.count("report.html") == 1
    assert output.count("selection: done") == 1
    require_equal(tmp_path / "out", alone)
    assert json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))["environment"]["processes"] == 2
    code, output, _ = command()
    assert code == 0
    assert output.count(": kept") == 8


@pytest.mark.full
def test_a_killed_process(command, alone, tmp_path):
    """It ends the others; the same command goes on from the checkpoint, with one process and with three."""
    code, _, errors = command("--processes", "2", INTERRUPTED="kill 1 6")

    assert code == 2
    assert any("process 1 of 0 to 1 was ended by SIGKILL" in line for line in errors)
    assert (tmp_path / "out" / ".teacher.partial" / "checkpoints" / "checkpoint-4" / "digests.json").is_file()
    code, _, errors = command(INTERRUPTED="fail 0 10")
    assert (2, 1) == (code, len(errors))
    assert (tmp_path / "out" / ".teacher.partial" / "checkpoints" / "checkpoint-8" / "digests.json").is_file()
    code, _, errors = command("--processes", "3")
    assert (0, []) == (code, errors)
    require_equal(tmp_path / "out", alone)


@pytest.mark.full
def test_a_failing_process(command):
    """One line says what is wrong and where."""
    code, _, errors = command("--processes", "2", INTERRUPTED="fail 1 2")

    assert code == 2
    assert len(errors) == 1
    assert errors[0].startswith("error: a setting is wrong in one process; this was process 1 of 0 to 1, on ")


@pytest.mark.full
def test_stopped(tables, tmp_path):
    """Ctrl-C ends all processes, with the line that one process has."""
    (tmp_path / "run.toml").write_text(as_toml(tables), encoding="utf-8")
    words = [sys.executable, "-m", "shortstack", "run", "run.toml", "--out", "out", "--processes", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(words, cwd=tmp_path, env=environment, **pipes)
    assert running.stdout.readline().startswith("data: done")
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=120)

    assert running.returncode == 130
    assert errors.splitlines()[-1] == "stopped; the same command goes on from here"
    assert "Traceback" not in errors
    with claimed(tmp_path / "out"):  # nothing holds it any more
        pass


@pytest.mark.full
def test_what_every_process_finds(command):
    """A mistake that all of them find is reported once."""
    code, _, errors = command("--processes", "2", "--set", "selection.scorer=nonsense")

    assert code == 2
    assert len(errors) == 1
    assert "'nonsense'" in errors[0]


def test_more_processes_than_cores_can_start(monkeypatch):
    """Dozens of processes on two cores are refused before any of them is started."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.raises(
        ConfigurationError, match=r"--processes 72 is more than 4 for each of this machine's 2 processor cores; give 8"
    ):
        is_launched(72, ["score"])


def test_inside_a_launcher(monkeypatch, capsys, tmp_path):
    """``--processes`` is refused where a launcher has started the processes already."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "TORCHELASTIC_RUN_ID": "another"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        run_command(["run", "run.toml", "--out", str(tmp_path), "--processes", "2"])

    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "error: --processes starts the processes itself, and a launcher has started 2 already; leave out one of the two\n"
    )
