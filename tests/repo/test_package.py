"""One distribution, five import packages, everything in its place."""

import importlib
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import shortstack

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_packages_are_the_folders():
    """Every import package below the source roots is in the wheel, and nothing else."""
    folders = {path.parent for root in ("framework", "plugins/*") for path in ROOT.glob(f"{root}/*/py.typed")}

    assert {str(path.relative_to(ROOT)) for path in folders} == set(PACKAGES)
    assert len(PACKAGES) == 5


def test_entry_points_are_the_plugin_packages():
    """Each plugin package has an entry point, named after its folder."""
    points = PROJECT["project"]["entry-points"]["shortstack"]

    assert points == {Path(package).parent.name: Path(package).name for package in PACKAGES if "plugins" in package}


def test_public_names_are_sorted_and_there():
    """``__all__`` is sorted, and every name in it can be had."""
    assert shortstack.__all__ == sorted(shortstack.__all__)
    assert [name for name in shortstack.__all__ if not hasattr(shortstack, name)] == []
    assert dir(shortstack) == shortstack.__all__


def test_unknown_public_name():
    """A name that is not there is an ordinary AttributeError."""
    with pytest.raises(AttributeError, match="has no attribute 'fisher'"):
        shortstack.fisher  # noqa: B018


def test_version_is_told_once():
    """The package and its metadata agree."""
    assert shortstack.__version__ == PROJECT["project"]["version"]


def test_python_m_is_the_command_line():
    """``python -m shortstack`` and ``shortstack`` are one program, by one name."""
    done = subprocess.run([sys.executable, "-m", "shortstack", "--help"], capture_output=True, text=True, check=True)

    assert "Usage: shortstack [OPTIONS] COMMAND" in done.stdout


def test_importing_changes_nothing_global():
    """No logging set-up, no environment variable; no seed, for torch is not even loaded."""
    code = (
        "import logging, os, sys; before = (dict(os.environ), list(logging.root.handlers)); "
        "import shortstack, shortstack.cli, shortstack.run, shortstack.registry; "
        "assert before == (dict(os.environ), list(logging.root.handlers)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_wheel_holds_the_five_packages(built):
    """Each with its type marker; and no tests."""
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    packages = {Path(package).name for package in PACKAGES}

    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == packages
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_wheel_holds_every_file_of_the_packages(built):
    """Templates, pages and styles too; besides them, only its metadata."""
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    sources = {
        path.relative_to((ROOT / package).parent).as_posix() for package in PACKAGES for path in files_of(package)
    }

    assert {
        f"shortstack/{name}"
        for name in ("report/page.html", "scaffold/templates/scorer.py.tmpl", "drafting/starts/common.toml")
    } <= sources
    assert sources == {name for name in names if ".dist-info/" not in name}


def files_of(package):
    """Return the files of an import package, without what Python writes beside them."""
    return [path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_sdist_holds_the_sources(built):
    """Sources, tests and the files that a packager needs; no results, caches or environments."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        parts = [name.split("/") for name in archive.getnames()]

    included = {path.strip("/") for path in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]}
    generated = {"PKG-INFO", "pyproject.toml", ".gitignore"}
    assert {name for _, name, *_ in parts} == included - {"*.md"} | {
        path.name for path in ROOT.glob("*.md")
    } | generated
    assert [path for path in parts if {"runs", "build", "__pycache__", ".venv"} & set(path)] == []


@pytest.mark.full
def test_wheel_in_a_fresh_environment_prepares_the_data(built, tmp_path):
    """Installed from the wheel alone, far from the sources, the quickstart's first stage runs."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, "torch"], check=True, env=environment)
    subprocess.run([*install, f"{wheel}[demo]"], check=True, env=environment)
    command = [tmp_path / "env" / "bin" / "shortstack", "run", ROOT / "examples" / "quickstart.toml"]
    subprocess.run([*command, "--out", "run", "--prepare"], check=True, cwd=tmp_path, env=environment)

    assert sorted(path.name for path in (tmp_path / "run" / "data").iterdir()) == [
        "facts.json",
        "items.jsonl",
        "sequences.safetensors",
        "stage.json",
    ]


@pytest.mark.parametrize("package", [Path(package).name for package in PACKAGES])
def test_packages_import(package):
    """Each import package can be imported by its own name."""
    assert importlib.import_module(package).__doc__
