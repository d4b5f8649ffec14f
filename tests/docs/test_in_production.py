"""The page about production: its commands work as typed, and the names in it are the code's."""

import re
import shlex
import subprocess

import pytest
from docs.test_serving import TITLES, started
from documents import ROOT
from pipeline.little_language_model import llama

from shortstack.cli import main
from shortstack.data.catalogue import Catalogue, Item
from shortstack.recommender import Recommender
from shortstack.serving.metrics import Metrics

PAGE = (ROOT / "docs" / "in-production.md").read_text(encoding="utf-8")
COMMANDS = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).splitlines()


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A folder with two runs."""
    items = [Item(id=f"{n}", title=title, token=n + 1) for n, title in enumerate(TITLES)]
    saved = Recommender(model=llama(num_hidden_layers=1).eval(), catalogue=Catalogue(items=items), window=4)
    for run in ("quickstart", "next"):
        saved.save_pretrained(tmp_path / "runs" / run / "student")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.full
def test_services(reader):
    """Both are started as typed, are ready, and answer."""
    ports, processes = {}, []
    try:
        processes += [started(one, ports, reader) for one in COMMANDS if one.startswith("shortstack serve")]
        for command in (one for one in COMMANDS if one.startswith("curl")):
            port = re.search(r":(\d{4})/", command)[1]
            words = shlex.split(command.replace(f":{port}/", f":{ports[port]}/"))
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=60, env={"no_proxy": "127.0.0.1"}
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        for process in processes:
            process.terminate()
            process.communicate(timeout=60)

    assert [0, 0] == [process.returncode for process in processes]


@pytest.mark.usefixtures("reader")
def test_the_push(capsys):
    """It names the files that would go."""
    (push,) = (one for one in COMMANDS if one.startswith("shortstack push"))
    with pytest.raises(SystemExit) as end:
        main(shlex.split(push)[1:])

    assert 0 == end.value.code
    assert "model.safetensors: " in capsys.readouterr().out


def test_metrics():
    """Every one that the page asks for is one of the service's."""
    named = set(re.findall(r"shortstack_[a-z_]+", PAGE))
    metrics = Metrics()
    metrics.add_request("/v1/recommend", 200, 0.1)
    given = set(re.findall(r"^(shortstack_[a-z_]+)", metrics.text(lambda: 0), re.MULTILINE))

    assert len(named) >= 6
    assert {
        name for name in named if not any(one.startswith(name) for one in given)
    } == set()  # of a histogram the parts


def test_make():
    """Its targets are the Makefile's."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert {"image", "try-image"} == set(re.findall(r"make ([\w-]+)", PAGE))
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in ("image", "try-image"))
