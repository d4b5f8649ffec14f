"""Options of every command: how much is printed besides results."""

import os
import subprocess
import sys

import pytest
from pipeline.conftest import ring_tables, write_ring
from pipeline.test_cli import call, to_toml


@pytest.fixture
def command(tmp_path):
    """The arguments that prepare the data of a run."""
    tables = ring_tables(write_ring(tmp_path / "ring.csv"))
    (tmp_path / "run.toml").write_text(to_toml(tables), encoding="utf-8")
    return ["run", str(tmp_path / "run.toml"), "--out", str(tmp_path / "run"), "--prepare"]


@pytest.mark.parametrize("place", [0, 1, 6])
def test_quiet_anywhere(command, place, capsys):
    """Before the command, behind its name, and at the end: no progress, and no error."""
    command.insert(place, "--quiet")

    assert call(*command, capsys=capsys) == (0, "", "")


def test_progress_without_quiet(command, capsys):
    """The same command says what it does."""
    assert "data: done in" in call(*command, capsys=capsys)[1]


def test_errors_are_printed_all_the_same(command, capsys):
    """In one line, as ever."""
    code, out, err = call(*command, "--quiet", "--set", "data.core=1000", capsys=capsys)

    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_laws_that_hold_are_not_listed(capsys):
    """A quiet check says how many laws hold."""
    arguments = ["check", "scorer", "magnitude", "--law", "finite", "--examples", "1"]
    _, loud, _ = call(*arguments, capsys=capsys)
    code, out, _ = call(*arguments, "--quiet", capsys=capsys)

    assert code == 0
    assert "finite" in loud
    assert "finite" not in out
    assert out.rstrip().endswith("1 of 1 laws hold")


def levels(*arguments):
    """The levels of the root logger and of transformers in a process of its own, after a command."""
    code = (
        f"import logging, os\nfrom shortstack.cli import main\ntry: main({['plugins', '--json', *arguments]!r})\n"
        "finally: print(logging.getLogger().level, os.environ.get('TRANSFORMERS_VERBOSITY'))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_VERBOSITY")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_log_level():
    """It is that of all libraries; without the option, theirs are left alone."""
    assert levels("--log-level", "info") == "20 info"
    assert levels() == "30 None"


def test_a_level_that_is_none(capsys):
    """The levels are named."""
    code, _, err = call("plugins", "--log-level", "loud", capsys=capsys)

    assert code == 2
    assert "'loud' is not one of 'debug', 'info', 'warning', 'error', 'critical'" in err


def test_traceback(capsys):
    """Where an error arose is shown above its line."""
    _, _, err = call("list", "scorrer", "--traceback", capsys=capsys)

    assert err.startswith("Traceback")
    assert "error: unknown kind of component" in err
