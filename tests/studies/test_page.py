"""The page about studies: its commands in order, on a short base; its file is the example; its Python runs."""

import json
import re
import shutil
import tomllib

import pytest
from docs.test_commands import call
from documents import ROOT, blocks
from pipeline.test_cli import call as here
from pipeline.test_cli import to_toml
from studies.conftest import short_tables

from shortstack import Study
from shortstack.compression.names import FORMS

PAGE = "docs/studies.md"
EXAMPLE = "examples/studies/ratios.toml"
METHODS = "examples/studies/compression-methods.toml"
VARIANTS = ("shortstack", "slmrec", "tail-drop", "shortgpt", "replaceme", "streamline")


def commands():
    """Return the page's commands, in order."""
    return re.findall(r"^ {4}shortstack (\S.*)$", (ROOT / PAGE).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def place(tmp_path, little_ring):
    """A folder with the examples of studies, and a short run in the place of each of their bases."""
    shutil.copytree(ROOT / "examples" / "studies", tmp_path / "examples" / "studies")
    tables = short_tables(little_ring, selection={"scorer": "fisher", "keep_ratio": 0.25})
    deep = {**tables["teacher"]["config"], "num_hidden_layers": 12, "hidden_size": 32}
    measured = {"scorers": ["fisher", "block-influence"], "examples": 16}
    text = to_toml({**tables, "teacher": {**tables["teacher"], "config": deep}, "importance": measured})
    (tmp_path / "examples" / "domains").mkdir()
    for name in ("quickstart.toml", "domains/music.toml"):
        (tmp_path / "examples" / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_file_is_the_example():
    """Word for word, but for comments."""
    shown, _ = [block.code for block in blocks(PAGE) if block.language == "toml"]

    assert tomllib.loads(shown) == tomllib.loads((ROOT / EXAMPLE).read_text(encoding="utf-8"))


def test_the_example_is_a_study_of_the_quickstart():
    """Fifteen runs, of three teachers."""
    study = Study.from_toml(ROOT / EXAMPLE)

    assert len(study.members) == 15
    assert sum(stage.stage == "teacher" for stage in study.plan()) == 3


def test_the_methods_share_one_teacher():
    """Six variants; the methods that are shown are those of the first, and more of the student's."""
    study = Study.from_toml(ROOT / METHODS)
    _, shown = [block.code for block in blocks(PAGE) if block.language == "toml"]
    settings = tomllib.loads(shown)["evaluation"]["compressed"]
    compressed = study.members["shortstack"].run.evaluation.compressed

    assert tuple(study.members) == VARIANTS
    assert sum(stage.stage == "teacher" for stage in study.plan()) == 1
    assert list(compressed.teacher) == settings["teacher"] == list(FORMS)
    assert set(settings["student"]) < set(compressed.student)


def test_every_method_is_on_the_page():
    """With what it does to bytes and time."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")

    assert [form for form in FORMS if not re.search(rf"^\| .*`{form}`", text, re.MULTILINE)] == []


@pytest.mark.parametrize("number", [0, pytest.param(2, marks=pytest.mark.full)])
def test_the_dry_runs(place, monkeypatch, capsys, number):
    """Over its own base and another: fast, and nothing is written."""
    monkeypatch.chdir(place)
    typed = commands()[number].split()
    code, out, _ = here(*typed, capsys=capsys)

    assert (code, typed[-1]) == (0, "--dry-run")
    assert "15 runs: at most" in out
    assert not (place / "studies").exists()


@pytest.mark.full
def test_all_commands_in_order(place):
    """The study is finished, its status says so, and its students are compared with their teachers and with each other."""
    _, study, _, status, jobs, settings, runs, methods, _ = (call(command, place) for command in commands())

    assert "15 finished" in study
    assert "15 finished" in status
    assert "15 finished" in jobs
    assert "of student, less that of teacher" in settings
    assert "intervals over users and seeds" in settings
    assert "one run each" in runs
    assert "6 finished" in methods
    assert (place / "studies" / "ratios" / "results.csv").is_file()
    rows = json.loads((place / "studies" / "methods" / "results.json").read_text())["rows"]
    sized = {(row["variant"], row["model"]): row for row in rows if row["disk_bytes"]}
    assert {("shortstack", f"teacher {form}") for form in FORMS} < sized.keys()
    assert {(variant, model) for variant in VARIANTS for model in ("pruned", "student")} < sized.keys()
    assert all(row["ndcg@10"] is not None and row["ms_per_user_1"] > 0 for row in sized.values())
    assert sized["shortstack", "teacher int8"]["kept"] == list(range(12))
    for name in ("results.csv", "report.html", "supplementary.zip", "paper/article.tex"):
        assert (place / "studies" / "ratios" / name).is_file()


@pytest.mark.full
def test_the_python(place, monkeypatch, capsys):
    """Eight runs, and what is printed about them."""
    monkeypatch.chdir(place)
    (code,) = [block.code for block in blocks(PAGE) if block.language == "python"]
    names = {}
    exec(code, names)  # noqa: S102 -- our own page

    assert len(names["result"].outcomes) == 8
    assert "{}" in capsys.readouterr().out


def test_every_table_of_a_file_is_on_the_page():
    """And every column of the results."""
    from shortstack.studies.settings import _TABLES

    text = (ROOT / PAGE).read_text(encoding="utf-8")

    assert [name for name in _TABLES if f"{name} = " not in text and f"[{name}" not in text] == []
