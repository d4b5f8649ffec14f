"""The command line says what it does, in tables for people and JSON for programs."""

import json
import os
import re
import subprocess
import sys

import pytest

from shortstack.cli import main
from shortstack.cli.commands import _with_home


def call(*arguments, capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def test_plugins_json(capsys):
    """The core's four plugins, none broken."""
    code, out, _ = call("plugins", "--json", capsys=capsys)
    listing = json.loads(out)

    assert code == 0
    assert {plugin["plugin"] for plugin in listing["plugins"]} >= {
        "shortstack:importance",
        "shortstack:students",
        "shortstack:datasets",
        "shortstack:losses",
    }


@pytest.mark.parametrize("word", ["scorer", "scorers"])
def test_list_json(capsys, word):
    """Components of a kind, singular or plural."""
    code, out, _ = call("list", word, "--json", capsys=capsys)

    assert code == 0
    assert {c["name"] for c in json.loads(out)} >= {"fisher", "attention", "hybrid"}


def test_list_of_unknown_kind(capsys):
    """An unknown kind gets a suggestion, in one line."""
    code, _, err = call("list", "scorrer", capsys=capsys)

    assert code == 2
    assert "unknown kind of component 'scorrer'; did you mean 'scorer'?" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["merge", "--json"], "Option '--json' requires an argument. See shortstack --help"),
        (["run"], "Missing argument 'config'. See shortstack run --help"),
        (["rnu"], "No such command 'rnu'. Did you mean 'run'? See shortstack --help"),
        (["list", "--kin\x1b[2J"], "No such option: --kin\\x1b[2J. See shortstack list --help"),
    ],
)
def test_a_mistyped_command_is_one_line(capsys, arguments, message):
    """As every other error, with the command whose help says more."""
    assert call(*arguments, capsys=capsys) == (2, "", f"error: {message}\n")


def test_a_very_long_name_is_shortened(capsys):
    """The line stays one that a person reads."""
    code, _, err = call("compare", "9" * 5_000, capsys=capsys)

    assert code == 2
    assert err.startswith("error: File name too long: 999")
    assert len(err) < 2_100


def test_no_command_shows_the_help(capsys):
    """And nothing else."""
    code, out, err = call(capsys=capsys)

    assert (code, err) == (2, "")
    assert "Usage: shortstack [OPTIONS] COMMAND" in out


def test_show_json(capsys):
    """Settings with type, default and meaning."""
    code, out, _ = call("show", "loss", "soft-targets", "--json", capsys=capsys)
    component = json.loads(out)

    assert code == 0
    assert component["full_name"] == "shortstack/soft-targets"
    (temperature,) = [setting for setting in component["settings"] if setting["name"] == "temperature"]
    assert (temperature["type"], temperature["default"]) == ("float", "2.0")
    assert temperature["meaning"].startswith("Divisor of both models' logits")


def test_show_for_people(capsys):
    """Settings are shown as a table."""
    code, out, _ = call("show", "scorer", "attention", capsys=capsys)

    assert code == 0
    assert "shortstack/attention" in out
    assert "sink" in out


def test_run_error_is_one_line(capsys, tmp_path):
    """Exit code 2, one line, no traceback."""
    code, out, err = call("run", str(tmp_path / "no.toml"), "--out", str(tmp_path / "run"), capsys=capsys)

    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "no.toml is not there" in err


def test_run_and_recommend(capsys, ring, tables, tmp_path):
    """A run from TOML ends with a table and the report's path; the student recommends."""
    config = tmp_path / "run.toml"
    config.write_text(to_toml(tables(ring)), encoding="utf-8")
    code, out, _ = call("run", str(config), "--out", str(tmp_path / "run"), capsys=capsys)

    assert code == 0
    assert re.search(r"^  teacher: \d+ of \d+, validation NDCG@10 0\.\d{4}, \d+ s$", out, re.MULTILINE)
    assert "distillation: done in" in out
    assert "student" in out
    assert out.rstrip().endswith("report.html")

    code, out, _ = call("run", str(config), "--out", str(tmp_path / "run"), "--check", capsys=capsys)

    assert code == 0
    assert "every stage is finished" in out
    assert "to do" not in out

    code, out, err = call("run", str(config), "--out", str(tmp_path / "run"), "--quiet", capsys=capsys)

    assert (code, err) == (0, "")
    assert not re.search("kept|done in", out)
    assert "student" in out
    assert out.rstrip().endswith("report.html")

    code, out, _ = call(
        "recommend", str(tmp_path / "run"), "--history", "Item 3", "--top", "4", "--json", capsys=capsys
    )

    assert code == 0
    assert len(json.loads(out)) == 4

    code, _, err = call("recommend", str(tmp_path / "run"), "--history", "Itm 3", capsys=capsys)

    assert code == 2
    assert "unknown item 'Itm 3'; did you mean 'Item 3'?" in err


def to_toml(tables, prefix=""):
    """Format nested tables as TOML."""
    lines, inner = [], []
    for name, value in tables.items():
        if isinstance(value, dict):
            inner.append(f"[{prefix}{name}]\n" + to_toml(value, f"{prefix}{name}."))
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join([*lines, *inner]) + "\n"


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "--json"], ["run", "no.toml", "--out", "x"]])
def test_fast_commands_import_no_torch(arguments):
    """Help, listings and error paths do not import torch."""
    code = (
        "import sys; from shortstack.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_recommend_before_the_run_is_finished(tmp_path, capsys):
    """The error says what to do, not which file is missing."""
    (tmp_path / "run.json").write_text("{}")
    code, _, err = call("recommend", str(tmp_path), "--history", "a", capsys=capsys)

    assert code == 2
    assert f"the run in {tmp_path} has no student yet" in err


def test_a_home_folder_after_an_equals_sign(tmp_path, monkeypatch, capsys):
    """Shells leave ``--out=~/x`` as it is; no folder called ``~`` is made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["run", "nowhere.toml", "--out=~/x"])
    assert "nowhere.toml is not there" in capsys.readouterr().err
    assert _with_home("--out=~/x") == f"--out={tmp_path}/x"
    assert [_with_home(one) for one in ("~/x", "--set=data.source=~", "a=~/b")] == [
        "~/x",
        "--set=data.source=~",
        "a=~/b",
    ]


@pytest.mark.full
def test_a_backend_that_is_none(ring, tables, tmp_path):
    """It is found before the work, not when the report is drawn."""
    config = tmp_path / "run.json"
    config.write_text(json.dumps(tables(ring)))
    code = f"from shortstack import Run; import json; Run(**json.load(open({str(config)!r}))).execute({str(tmp_path / 'out')!r})"
    environment = os.environ | {"MPLBACKEND": "nope"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert "ConfigurationError: the report's figures cannot be drawn" in found.stderr
    assert not (tmp_path / "out").exists()


def interrupted(code, *options):
    """What a command prints in a process of its own that is interrupted where some code says."""
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["shortstack.cli.commands", "typer", "shortstack.cli.list_components"])
def test_ctrl_c_while_commands_are_imported(module):
    """One line, and the exit code of shells."""
    code = f"""
import sys
class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from shortstack.cli import main
main(["list", "scorer"])
"""
    done = interrupted(code)

    assert (done.returncode, done.stderr) == (130, "stopped; the same command goes on from here\n")


def test_python_without_docstrings():
    """Transformers cannot be imported then; without assertions alone everything works."""
    code = "from shortstack.cli import main; main(['list', 'scorer'])"
    bare, optimised = interrupted(code, "-OO"), interrupted(code, "-O")

    assert (bare.returncode, optimised.returncode) == (2, 0)
    assert bare.stderr.splitlines() == [
        "error: python -OO and PYTHONOPTIMIZE=2 strip the docstrings that transformers needs; use -O, or neither"
    ]
