"""The page about the service: its commands work as typed, and its tables say what the code does."""

import os
import re
import shutil
import socket
import subprocess
import sys

import attrs
import pytest
from documents import ROOT
from pipeline.little_language_model import llama

from shortstack.cli.serve import serve
from shortstack.data.catalogue import Catalogue, Item
from shortstack.recommender import Recommender
from shortstack.serving.limits import Limits

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
COMMANDS = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).splitlines()
TITLES = ("Toy Story (1995)", "Heat (1995)", "Casino (1995)")


def started(command, ports, folder):
    """A process of a documented command, on a port that is free; returns when it answers."""
    words = command.replace("shortstack", f"{sys.executable} -m shortstack", 1).split()
    place = words.index("--port") + 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        ports[words[place]] = words[place] = str(free.getsockname()[1])
    process = subprocess.Popen(
        words,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    line = process.stdout.readline()
    assert "is served at http://" in line, process.communicate()
    return process


@pytest.mark.full
def test_the_commands(tmp_path):
    """Each service is started as typed, and each request to it is answered."""
    items = [Item(id=f"{n}", title=title, token=n + 1, category="Drama") for n, title in enumerate(TITLES)]
    Recommender(model=llama(num_hidden_layers=1).eval(), catalogue=Catalogue(items=items), window=4).save_pretrained(
        tmp_path / "runs" / "quickstart" / "student"
    )
    shutil.copytree(tmp_path / "runs" / "quickstart" / "student", tmp_path / "runs" / "quickstart" / "teacher")
    (tmp_path / "token.txt").write_text("secret\n")
    ports, processes = {}, []
    try:
        processes += [started(one, ports, tmp_path) for one in COMMANDS if one.startswith("shortstack serve")]
        asked = [command for command in COMMANDS if command.startswith("curl")]
        for command in asked:
            port = re.search(r":(\d{4})/", command)[1]
            done = subprocess.run(
                ["bash", "-c", command.replace(f":{port}/", f":{ports[port]}/")],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                env={**os.environ, "no_proxy": "127.0.0.1"},
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "(1995)" in done.stdout
    finally:
        for process in processes:
            process.terminate()
            process.communicate(timeout=60)

    assert (2, 6) == (len(processes), len(asked))
    assert [0, 0] == [process.returncode for process in processes]


def test_limits():
    """The page's are the code's."""
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    named = {text: int(number.replace(",", "")) for text, number in rows}
    limits = attrs.asdict(Limits())
    window, batch = (int(re.search(rf"`--{name}`[^(]*\((\d+)\)", PAGE)[1]) for name in ("window-ms", "batch"))

    assert sorted(int(limits.pop(name)) for name in set(limits) - {"window_ms", "batch"}) == sorted(named.values())
    assert (limits["window_ms"], limits["batch"]) == (window, batch)


def test_options():
    """Every one that the page names is one of the command's."""
    named = {one.replace("-", "_") for one in re.findall(r"`--([a-z-]+)", PAGE)}

    assert named <= set(serve.__annotations__)
    assert len(named) >= 6


def test_problems():
    """Every kind of problem that the code gives is in the table, with its status."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "framework/shortstack/serving").glob("*.py"))
    given = set(re.findall(r'ProblemError\(\s*(\d{3}), "([a-z-]+)"', sources))
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)

    assert {(status, kind) for status, text in rows for kind in re.findall(r"`([a-z-]+)`", text)} - {
        ("429", "busy")
    } == {one for one in given if one not in {("429", "busy"), ("503", "busy")}}
    assert ("429", "busy") in given
