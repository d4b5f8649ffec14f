"""The notebooks run from top to bottom, and what they show is small and up to date."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

FOLDER = ROOT / "examples" / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def cells(name, kind):
    """Return a notebook's cells of one kind."""
    return [
        cell for cell in json.loads((FOLDER / name).read_text(encoding="utf-8"))["cells"] if kind == cell["cell_type"]
    ]


def shown(name):
    """Return what the notebook shows below each code cell, by MIME type, or None below a cell that shows nothing."""
    outputs = [cell["outputs"] for cell in cells(name, "code")]
    return [{mime: "".join(text) for mime, text in output[0]["data"].items()} if output else None for output in outputs]


def executed(name, folder):
    """Execute a notebook in a process of its own, in a folder, and return the displays."""
    command = [sys.executable, Path(__file__).with_name("executed_cells.py"), FOLDER / name, folder / "displays.json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "displays.json").read_text(encoding="utf-8"))


def test_there_are_two():
    """One for users, one for authors of plugins."""
    assert ["plugin.ipynb", "quickstart.ipynb"] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_small(name):
    """Each cell shows one value at most, the whole file stays below 20 kB, and no path of a machine is in it."""
    text = (FOLDER / name).read_text(encoding="utf-8")

    assert len(text) < 20_000
    assert all(len(cell["outputs"]) <= 1 for cell in cells(name, "code"))
    assert re.findall(r"/(?:root|home|tmp|Users)/", text) == []


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    """From the notebook's own place in the repository."""
    text = "".join(line for cell in cells(name, "markdown") for line in cell["source"])
    links = re.findall(r"\]\(([\w./-]+)\)", text)

    assert links
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.full
def test_plugin_shows_what_it_gives(tmp_path):
    """Everything in it is seeded, so every value is the one shown."""
    plain = [display and display["text/plain"].split() for display in executed("plugin.ipynb", tmp_path)]

    assert [display and display["text/plain"].split() for display in shown("plugin.ipynb")] == plain


@pytest.mark.full
def test_quickstart_shows_what_it_gives(tmp_path):
    """Trained figures differ between processors; what is displayed, in which form, does not."""
    displays = executed("quickstart.ipynb", tmp_path)
    kinds = [display and sorted(display) for display in displays]

    assert [display and sorted(display) for display in shown("quickstart.ipynb")] == kinds
    assert (tmp_path / "runs" / "notebook" / "report.html").is_file()
