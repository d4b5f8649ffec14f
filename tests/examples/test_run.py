"""A real run with all four example plugins (data, scorer, student, loss): in process, and installed from wheels."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from shortstack import Run

PLUGINS = Path(__file__).parents[2] / "examples" / "plugins"
SMALL = {
    "data.core": 2,
    "teacher.config.num_hidden_layers": 4,
    "teacher.config.hidden_size": 16,
    "teacher.config.intermediate_size": 32,
    "teacher.fit.steps": 8,
    "teacher.fit.evaluate_every": 4,
    "teacher.fit.warmup_steps": 2,
    "distillation.fit.steps": 6,
    "distillation.fit.evaluate_every": 3,
    "distillation.fit.warmup_steps": 2,
    "importance.examples": 16,
    "evaluation.resamples": 100,
    "evaluation.scratch": "false",
    "device": "cpu",
}
"""What turns the hour of ``netflix.toml`` into seconds."""

PROVIDED = {
    "shortstack-dist-loss/dist": "0.1.0",
    "shortstack-layer-collapse/layer-collapse": "0.1.0",
    "shortstack-linear-cka/linear-cka": "0.1.0",
    "shortstack-netflix-prize/netflix-prize": "0.1.0",
}


@pytest.fixture(scope="session")
def netflix(tmp_path_factory, demo, write_netflix):
    """A folder in Netflix's layout with the ratings of 80 MovieLens users."""
    return write_netflix(tmp_path_factory.mktemp("data") / "netflix", *demo)


def overrides(source):
    """Return the settings for ``--set``."""
    return [f"{name}={value}" for name, value in (SMALL | {"data.source": source}).items()]


def check_result(folder):
    """Assert that ``result.json`` names all four plugins with versions, and that the student is theirs."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "student" / "config.json").read_text(encoding="utf-8"))

    assert {name: version for name, version in result["plugins"].items() if name in PROVIDED} == PROVIDED
    assert result["data"]["edition"] == "netflix-prize-part"
    assert list(result["importance"]) == ["linear-cka"]
    assert config["num_hidden_layers"] == 1
    assert config["shortstack"]["architecture"] == "shortstack-layer-collapse/layer-collapse"
    return result


def test_in_this_process(netflix, registry, tmp_path):
    """``Run(...).execute(path, registry=...)`` with plugins that are not installed."""
    result = Run.from_toml(PLUGINS / "netflix.toml", overrides(netflix)).execute(tmp_path / "run", registry=registry)
    stored = check_result(tmp_path / "run")

    assert result.plugins == stored["plugins"]
    assert len(stored["importance"]["linear-cka"]) == 4


@pytest.mark.full
def test_installed_from_wheels(netflix, tmp_path):
    """Four wheels, built and installed into a fresh environment beside what is here, offer their names and run."""
    for project in sorted(PLUGINS.glob("*/pyproject.toml")):
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist"]
        subprocess.run([*build, project.parent], check=True, capture_output=True)
    python = _fresh_environment(tmp_path / "env")
    wheels = sorted((tmp_path / "dist").glob("*.whl"))
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, *wheels], check=True, capture_output=True)
    shortstack = [python, Path(sys.executable).parent / "shortstack"]
    sets = [part for override in overrides(netflix) for part in ("--set", override)]
    command = [*shortstack, "run", PLUGINS / "netflix.toml", "--out", tmp_path / "run", *sets]
    done = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False)

    assert len(wheels) == 4
    assert done.returncode == 0, done.stdout + done.stderr
    check_result(tmp_path / "run")


@pytest.mark.full
def test_their_own_tests_in_a_fresh_environment(tmp_path):
    """Each distribution's own tests pass where it is installed, through its entry point."""
    python = _fresh_environment(tmp_path / "env")
    folders = [path.parent for path in sorted(PLUGINS.glob("*/pyproject.toml"))]
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, *folders], check=True, capture_output=True)
    for folder in folders:
        command = [
            python,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            folder / "tests",
            "-c",
            folder / "pyproject.toml",
        ]
        done = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr


def _fresh_environment(folder):
    """Create an environment that also sees what this one has installed, editable installs included."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    ours, theirs = (
        subprocess.run([p, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
        for p in (sys.executable, python)
    )
    Path(theirs, "beside.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
    return python


def _environment():
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
