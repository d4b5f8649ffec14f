"""The page about exports: its commands and programs work as typed, and its tables say what the code does."""

import os
import re
import subprocess
import sys

import pytest
from documents import ROOT, blocks
from exporting.test_formats import FAMILIES
from pipeline.little_language_model import llama

from shortstack.data.catalogue import Catalogue, Item
from shortstack.exporting.formats import FORMATS
from shortstack.recommender import Recommender

PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


def ran(words, folder):
    """The output of a program that succeeds in a folder."""
    paths = os.pathsep.join(path for path in (str(folder / "exported"), os.environ.get("PYTHONPATH", "")) if path)
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths}
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
def test_the_commands(tmp_path):
    """In the order of the page, from a student of a few films."""
    titles = ["Toy Story (1995)", "Heat (1995)", *(f"Film {number}" for number in range(28))]
    items = [Item(id=f"{n}", title=title, token=n + 1) for n, title in enumerate(titles)]
    Recommender(model=llama(num_hidden_layers=1).eval(), catalogue=Catalogue(items=items), window=4).save_pretrained(
        tmp_path / "runs" / "quickstart" / "student"
    )
    torch_format = ["export", "runs/quickstart", "--format", "torch-export", "--out", "exported-torch"]
    ran([sys.executable, "-m", "shortstack", *torch_format], tmp_path)
    for block in blocks("docs/export.md"):
        if block.language == "python":
            ran([sys.executable, "-c", block.code], tmp_path)
            continue
        for line in block.code.splitlines():
            if not line.startswith("pip"):
                command = line.replace("shortstack", f"{sys.executable} -m shortstack", 1)
                ran(
                    ["bash", "-c", command.replace("python ", f"{sys.executable} ") if line[0] == "p" else command],
                    tmp_path,
                )

    assert {"exported", "exported-int8", "exported-torch"} <= {path.name for path in tmp_path.iterdir()}


def test_formats():
    """The table's limits are the code's."""
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| .* \| ([\d.]+) \| ([\d.]+)% \|$", PAGE, re.MULTILINE)
    stated = {name: (float(difference), pytest.approx(float(share) / 100)) for name, difference, share in rows}

    assert stated == {name: (one.limits.difference, one.limits.same_items) for name, one in FORMATS.items()}


def test_families():
    """Those that the page names are those that the test exports."""
    sentence = re.search(r"These families are exported to ONNX(.*?)\. For", PAGE, re.DOTALL)[1]

    assert set(FAMILIES) == set(re.findall(r"`(\w+)`", sentence))
