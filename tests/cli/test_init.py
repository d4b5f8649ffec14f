"""``shortstack init`` writes a file that a run accepts, from options or answers, and loses none."""

import io
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from pipeline.conftest import write_ring
from pipeline.little_language_model import llama, tokenizer
from pipeline.prepared import write_run
from pipeline.test_cli import call

from shortstack.config.run import RunConfig
from shortstack.pipeline.preflight import check
from shortstack.registry import Registry
from shortstack.run_layout import STUDENT


class Terminal(io.StringIO):
    """Answers that are typed in a terminal."""

    def isatty(self):
        """Return True: questions may be asked."""
        return True


@pytest.fixture
def ring_here(tmp_path, monkeypatch):
    """The ratings of the ring in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_ring(tmp_path / "ring.csv").name


def accepted(path="run.toml"):
    """Return a written run, after a run's own check of it."""
    run = RunConfig.from_toml(path)
    check(run, Registry.from_environment())
    return run


def test_a_teacher_from_scratch(ring_here, capsys):
    """Adapter, columns and core come from the data; the next commands are printed."""
    code, out, err = call("init", "--data", ring_here, capsys=capsys)
    run = accepted()

    assert (code, err) == (0, "")
    assert "60 users, 30 items, 840 interactions" in out
    assert out.endswith(
        "run.toml is written; next:\n    shortstack run --check run.toml\n    shortstack run run.toml --out runs/run\n"
    )
    assert (run.data.adapter, run.data.core, run.task.name) == ("table", 5, "next-item")
    assert run.data.settings["timestamp"] == "time"
    assert run.teacher.config["max_position_embeddings"] == 64


def test_every_setting_has_its_meaning(ring_here, capsys):
    """Above each stands a comment; those of the teacher's config belong to transformers, so the table alone has one."""
    call("init", "--data", ring_here, capsys=capsys)
    text = Path("run.toml").read_text(encoding="utf-8")
    config = re.search(r"(?<=\[teacher\.config\]\n).*?\n\n", text, re.DOTALL)[0]
    lines = text.replace(config, "\n").splitlines()

    assert [line for above, line in pairwise(lines) if line and "#" not in {line[0], above[:1]}] == []


def test_other_settings_are_written(ring_here, capsys):
    """Those of the command line, of which columns are read first."""
    arguments = ["--set", "data.settings.rating=none", "--set", "selection.keep_layers=3", "--set", "seed=7"]
    code, _, _ = call("init", "--data", ring_here, *arguments, capsys=capsys)
    run = accepted()

    assert code == 0
    assert (run.data.settings.get("rating"), run.selection.keep_layers, run.seed) == (None, 3, 7)
    assert run.selection.keep_ratio is None


@pytest.mark.parametrize(("task", "learns_rows"), [("next-item", True), ("rating", False)])
def test_a_language_model(task, learns_rows, ring_here, capsys):
    """Items become tokens with a learning rate of their own, unless they are read in words."""
    llama().save_pretrained("model")
    tokenizer().save_pretrained("model")
    capsys.readouterr()  # transformers shows a bar
    code, _, err = call("init", "--data", ring_here, "--teacher", "model", "--task", task, capsys=capsys)
    run = accepted()

    assert (code, err) == (0, "")
    assert (run.teacher.path, run.task.name) == ("model", task)
    assert (run.teacher.fit.item_rows_rate > 1) == learns_rows


def test_a_recommender(ring_here, tmp_path, capsys):
    """A teacher that knows its items is left as it is."""
    write_run(tmp_path / "earlier")
    capsys.readouterr()  # transformers shows bars
    code, _, err = call("init", "--data", ring_here, "--teacher", f"earlier/{STUDENT}", capsys=capsys)

    assert (code, err) == (0, "")
    assert accepted().teacher_fit is None


def test_answers(ring_here, capsys, monkeypatch):
    """In a terminal: data, columns, teacher and task are asked for; an empty answer keeps what was proposed."""
    monkeypatch.setattr("sys.stdin", Terminal(f"{ring_here}\n\n\n\n\nnone\n\n\n\nrating\n"))
    code, out, _ = call("init", capsys=capsys)
    run = accepted()

    assert code == 0
    assert (run.task.name, run.teacher.path, "title" in run.data.settings) == ("rating", None, False)
    for question in ("Interactions: a file", "user [user]", "category [none]", "[scratch]", "[next-item]"):
        assert question in out


def test_no_questions_without_a_terminal(ring_here, capsys, monkeypatch):
    """A script that forgets the data gets an error, and does not wait."""
    monkeypatch.setattr("sys.stdin", io.StringIO("ring.csv\n"))

    assert call("init", capsys=capsys) == (
        2,
        "",
        "error: init needs --data FILE, and asks for it only in a terminal\n",
    )


def test_no_file_is_lost(ring_here, tmp_path, capsys):
    """What is there is left, unless --force; folders are named."""
    (tmp_path / "mine.toml").write_text("seed = 3\n", encoding="utf-8")
    code, _, err = call("init", "--data", ring_here, "--out", "mine.toml", capsys=capsys)

    assert code == 2
    assert "mine.toml is there already and was left as it is; name another with --out, or give --force" in err
    assert tomllib.loads((tmp_path / "mine.toml").read_text(encoding="utf-8")) == {"seed": 3}
    assert f"{tmp_path} is a folder; name a file with --out" in call("init", "--out", str(tmp_path), capsys=capsys)[2]
    assert "the folder no is not there; make it" in call("init", "--out", "no/run.toml", capsys=capsys)[2]
    assert call("init", "--data", ring_here, "--out", "mine.toml", "--force", capsys=capsys)[0] == 0


def test_what_a_run_refuses_is_not_written(ring_here, tmp_path, capsys):
    """A teacher that is not there, and a setting that does not exist."""
    gone = call("init", "--data", ring_here, "--teacher", "no/such/folder", capsys=capsys)
    unknown = call("init", "--data", ring_here, "--set", "data.croe=3", capsys=capsys)

    assert (gone[0], unknown[0]) == (2, 2)
    assert "teacher.path is 'no/such/folder', which is not here" in gone[2]
    assert "did you mean 'core'?" in unknown[2]
    assert not (tmp_path / "run.toml").exists()


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize("option", ["--data", "--teacher", "--task", "--adapter"])
def test_an_option_that_is_empty(ring_here, tmp_path, capsys, option, empty):
    """As a variable of the shell that is not set makes it: no question, no default and no current folder in its place."""
    options = {"--data": ring_here, option: empty}
    code, _, err = call("init", *(word for pair in options.items() for word in pair), capsys=capsys)

    assert code == 2
    assert "empty" in err or repr(empty) in err
    assert not (tmp_path / "run.toml").exists()
