"""A run by two processes, killed at random moments: the same command goes on, with one process or two, to the same result."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from documents import ROOT
from processes.conftest import as_toml, measured_run, require_equal

VICTIMS = ("launcher", "process", "all")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Settings of a run that trains twice, and chooses layers by measuring."""
    return measured_run(tmp_path_factory.mktemp("ring"))


@pytest.fixture(scope="module")
def seconds(tables, tmp_path_factory):
    """How long two processes take, from their start to their end."""
    start = time.monotonic()
    running = started(tables, tmp_path_factory.mktemp("whole"))
    running.communicate()
    assert running.returncode == 0
    return time.monotonic() - start


def started(tables, folder):
    """Start the command with two processes in a folder."""
    (folder / "run.toml").write_text(as_toml(tables), encoding="utf-8")
    words = [sys.executable, "-m", "shortstack", "run", "run.toml", "--out", "out", "--processes", "2"]
    here = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.Popen(words, cwd=folder, env=here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def children(process):
    """Return the numbers of the processes that a process has started."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in listed.read_text().split()] if listed.exists() else []


def killed(launcher, victim):
    """Kill the launcher, its last process, or all at once; return the processes that there were."""
    workers = children(launcher)
    victims = {"launcher": [launcher], "process": workers[-1:] or [launcher], "all": [launcher, *workers]}[victim]
    for process in victims:
        os.kill(process, signal.SIGKILL)
    return workers


def is_running(process):
    """Return True if a process runs: one that has ended and is not waited for does not."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.attacks
@pytest.mark.parametrize("number", range(10))
def test_killed_at_a_random_moment(tables, alone, seconds, command, tmp_path, number):
    """Whatever is killed, the others end with it within a minute; then one process or two end it, with the result of one."""
    running = started(tables, tmp_path)
    time.sleep(seconds * random.Random(number).random())
    workers = killed(running.pid, VICTIMS[number % len(VICTIMS)])
    _, errors = running.communicate(timeout=60)
    for worker in workers:
        waited = time.monotonic() + 60
        while is_running(worker):
            assert time.monotonic() < waited, "it outlives the launcher"
            time.sleep(0.1)

    assert "Traceback" not in errors
    code, _, errors = command("--processes", str(1 + number // 5))
    assert (0, []) == (code, errors)
    require_equal(tmp_path / "out", alone)


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with the one that started them")
def test_a_killed_launcher_ends_its_processes(tables, alone, command, tmp_path):
    """They do not run on and keep the folder from the next command."""
    running = started(tables, tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "data").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = killed(running.pid, "launcher")
    running.communicate(timeout=60)

    assert len(workers) == 2
    code, _, errors = command()
    assert (0, []) == (code, errors)
    require_equal(tmp_path / "out", alone)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with the one that started them")
def test_a_launcher_that_is_gone_already():
    """A process whose launcher ended before it could say that it goes along ends at once."""
    words = "from shortstack.posix import end_with_parent; end_with_parent(parent=1 << 22)"  # no process has so large a number
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == -signal.SIGTERM
