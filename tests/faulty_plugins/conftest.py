"""A folder of hostile distributions, and a finished run beside them."""

import importlib
import shutil

import pytest
from faulty_plugins.distributions import install_broken, install_file
from pipeline.conftest import ring_tables, write_ring
from pipeline.test_cli import to_toml

from shortstack.cli import main

COMPONENTS = ("hostile-scorers", "hostile-students", "hostile-losses", "hostile-adapters")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder with four distributions whose components fail in use, and all those that fail to be listed."""
    folder = tmp_path_factory.mktemp("site")
    for number, name in enumerate(COMPONENTS):
        install_file(folder, name, version=f"0.{number}")
    install_broken(folder)
    return folder


@pytest.fixture
def installed(site, monkeypatch):
    """Make the distributions discoverable, as if they were installed."""
    monkeypatch.syspath_prepend(site)


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A CSV file of ratings."""
    return write_ring(tmp_path_factory.mktemp("ratings") / "ring.csv")


def call(*arguments, capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.fixture(scope="session")
def finished(site, source, tmp_path_factory):
    """A run of healthy components that was finished while all of the others were installed."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        (folder / "run.toml").write_text(to_toml(tables(source)), encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["run", str(folder / "run.toml"), "--out", str(folder / "run")])
    assert ended.value.code == 0
    return folder / "run"


def tables(source, **changes):
    """Return the tables of a short run, one of whose scorers is a third party's."""
    healthy = {
        "importance": {"scorers": ["fisher", "right"], "examples": 16},
        "selection": {"keep_ratio": 0.25, "scorer": "fisher"},
        "evaluation": {"resamples": 100, "scratch": False},
    }
    return ring_tables(source, **{**healthy, **changes})


@pytest.fixture
def run_with(installed, finished, source, tmp_path, capsys):
    """Function that resumes the finished run with other settings: (exit code, standard error)."""

    def run(**changes):
        folder = shutil.copytree(finished, tmp_path / "run")
        (tmp_path / "run.toml").write_text(to_toml(tables(source, **changes)), encoding="utf-8")
        capsys.readouterr()
        code, _, err = call("run", tmp_path / "run.toml", "--out", folder, capsys=capsys)
        return code, err

    return run


@pytest.fixture
def hostile(installed):
    """Function that imports a module of the folder."""
    return importlib.import_module
