"""The page about several processes: its commands work as typed, several machines' included."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT
from pipeline.conftest import ring_tables, write_ring
from processes.test_run import as_toml

PAGE = (ROOT / "docs" / "more-than-one-gpu.md").read_text(encoding="utf-8")
COMMANDS = "".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).splitlines()
LAUNCHERS = {
    "shortstack": ["-m", "shortstack"],
    "torchrun": ["-m", "torch.distributed.run"],
    "accelerate": ["-m", "accelerate.commands.accelerate_cli"],
}


def words_of(command):
    """Return a command's words, with this Python."""
    name, *words = command.split()
    if name == "accelerate":
        words.insert(1, "--cpu")  # without a GPU this launcher needs it
    return [sys.executable, *LAUNCHERS[name], *words]


def started(words, folder):
    """Return the process of a command."""
    return subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    """Return a command's output; fail if it fails."""
    with process:
        output, errors = process.communicate(timeout=500)
    assert process.returncode == 0, output[-2000:] + errors[-4000:]
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tiny run's file."""
    place = tmp_path_factory.mktemp("reader")
    tables = ring_tables(write_ring(place / "ring.csv"), evaluation={"resamples": 100, "scratch": False})
    (place / "run.toml").write_text(as_toml(tables), encoding="utf-8")
    return place


@pytest.mark.full
def test_commands_of_one_machine(folder):
    """The run, its audit, and both launchers; the second of them keeps what the first did."""
    commands = [command for command in COMMANDS if "--nnodes" not in command]
    outputs = [finished(started(words_of(command), folder)) for command in commands]

    assert [command.split()[0] for command in commands] == ["shortstack", "shortstack", "torchrun", "accelerate"]
    assert [1, 1, 1, 1] == [output.count("report.html") for output in outputs]
    assert outputs[3].count(": kept") == 8
    kept = [
        json.loads((folder / "runs" / name / "result.json").read_text(encoding="utf-8"))["selection"]["kept"]
        for name in ("books", "torchrun")
    ]
    assert kept[0] == kept[1]


@pytest.mark.full
def test_the_command_of_several_machines(folder):
    """Two launchers of one process each meet; only one of the processes reports."""
    (command,) = [command for command in COMMANDS if "--nnodes" in command]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = {
        "first-machine:29400": f"127.0.0.1:{port}",
        "--nproc-per-node 8": "--nproc-per-node 1",
        "/shared": str(folder),
    }
    for there, ours in here.items():
        command = command.replace(there, ours)
    outputs = [finished(process) for process in [started(words_of(command), folder) for _ in range(2)]]

    assert [0, 1] == sorted(output.count("report.html") for output in outputs)
    assert Path(folder / "runs" / "books" / "report.html").is_file()
