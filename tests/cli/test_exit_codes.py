"""Each exit code that the reference lists is that of a command."""

import signal
import subprocess
import sys

import pytest
import typer
from pipeline.test_cli import call

from shortstack.cli import main
from shortstack.cli.exit_codes import ExitCode
from shortstack.config.descriptions import documented_attributes


def test_done(capsys):
    """0: a listing."""
    assert call("list", "loss", "--json", capsys=capsys)[0] == ExitCode.DONE == 0


def test_failed(capsys, monkeypatch):
    """1: a strict listing of plugins, one of which is broken."""
    from shortstack.registry import Origin, Registry
    from shortstack.registry.plugins import Failure

    registry = Registry()
    broken = Failure(origin=Origin("acme", "broken", "1.0"), stage="import", error=ImportError("no"))
    monkeypatch.setattr(Registry, "failures", property(lambda _: (broken,)))
    monkeypatch.setattr(Registry, "from_environment", lambda: registry)

    assert call("plugins", "--strict", capsys=capsys)[0] == ExitCode.FAILED == 1


@pytest.mark.parametrize("arguments", [["list", "nothing"], ["no-such-command"], ["run", "no.toml", "--out", "x"]])
def test_refused(arguments, capsys):
    """2: one line on standard error."""
    code, out, err = call(*arguments, capsys=capsys)

    assert (code, out) == (ExitCode.REFUSED, "") == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, typer.Abort])
def test_interrupted(stop, capsys, monkeypatch):
    """130: Ctrl-C while a command works, or where it waits for an answer."""

    def interrupted():
        raise stop

    monkeypatch.setattr("shortstack.registry.Registry.from_environment", interrupted)

    assert call("plugins", capsys=capsys) == (
        ExitCode.INTERRUPTED,
        "",
        "stopped; the same command goes on from here\n",
    )
    assert ExitCode.INTERRUPTED == 130


def test_terminated():
    """143: what a shell makes of SIGTERM, which ends a process by itself."""
    code = "import os, signal\nfrom shortstack.cli import main\nos.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run(["sh", "-c", f"{sys.executable} -c '{code}'; exit $?"], check=False, timeout=300)

    assert done.returncode == ExitCode.TERMINATED == 128 + signal.SIGTERM


def test_all_are_documented():
    """The reference is written from these."""
    assert documented_attributes(ExitCode).keys() == ExitCode.__members__.keys()


def test_run_without_a_folder(capsys):
    """It says where results go, and how to see what they would take."""
    code, _, err = call("run", "x.toml", capsys=capsys)

    assert code == ExitCode.REFUSED
    assert err == ("error: run writes into a folder: name it with --out FOLDER, or see what it would do with --check\n")
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
