"""The commands of studies: what they print, their exit codes."""

import json
import re
import shutil

import pytest
from pipeline.test_cli import call, to_toml
from studies.conftest import short_tables


@pytest.fixture
def file(little_ring, tmp_path):
    """The file of the executed study, beside that of its base."""
    tables = short_tables(little_ring, selection={"scorer": "fisher", "keep_ratio": 0.5})
    (tmp_path / "run.toml").write_text(to_toml(tables), encoding="utf-8")
    text = 'base = "run.toml"\naxes = { selection.keep_ratio = [0.5, 0.25] }\nruns = [{ data.min_rating = 9.0 }]\n'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    return tmp_path / "study.toml"


@pytest.fixture
def folder(executed, tmp_path):
    """A copy of the executed study's folder."""
    return shutil.copytree(executed[0], tmp_path / "out")


def outputs(folder):
    """Return the lines that say what was written, without ``pdflatex``."""
    return [
        f"tables: {folder / 'results.parquet'}, .csv and .json",
        f"report: {folder / 'report.html'}",
        f"supplementary: {folder / 'supplementary.zip'}",
        f"paper: {folder / 'paper' / 'article.tex'}",
    ]


def test_a_study_goes_on(file, folder, monkeypatch, capsys):
    """The same study from a file keeps what Python has done, and writes all outputs; a failed run makes the exit code 1."""
    monkeypatch.setenv("PATH", "")  # without pdflatex
    code, out, _ = call("study", str(file), "--out", str(folder), capsys=capsys)

    assert code == 1
    assert out.count("teacher: kept") == 2
    assert "run 3 of 3: min_rating=9.0" in out
    assert "2 finished, 1 failed\nmin_rating=9.0 failed: no interactions are left" in out
    assert out.splitlines()[-4:] == outputs(folder)
    assert all(path.is_file() for path in (folder / "report.html", folder / "supplementary.zip"))


def test_a_dry_run(file, tmp_path, capsys):
    """All runs, each stage with its key, the number of its runs and what it takes, those of most runs first."""
    code, out, _ = call("study", str(file), "--out", str(tmp_path / "new"), "--dry-run", capsys=capsys)

    assert code == 0
    assert out.startswith("keep_ratio=0.5\nkeep_ratio=0.25\nmin_rating=9.0\n")
    assert re.search(r"^ *teacher +[0-9a-f]{8} +2 +(< )?\d+ \w+ +0\.0 MB +keep_ratio=0\.5, … *$", out, re.MULTILINE)
    assert "3 runs: at most 20 stages, where separate runs would do 24" in out
    assert re.search(
        r"^estimated on this machine, in turn: (< )?\d+ \w+, and 0\.\d MB on the disk, if nothing", out, re.MULTILINE
    )
    assert "not counted: the time of data, calibration, selection, pruning, the reports, and of reading" in out
    assert "not known for some runs, such as min_rating=9.0: no interactions are left" in out
    assert not (tmp_path / "new").exists()


def test_a_dry_run_without_the_data(file, tmp_path, capsys):
    """What is not known is said, and all else is shown."""
    run = tmp_path / "run.toml"
    run.write_text(run.read_text(encoding="utf-8").replace("ring.csv", "gone.csv"), encoding="utf-8")
    code, out, _ = call("study", str(file), "--out", str(tmp_path / "new"), "--dry-run", capsys=capsys)

    assert code == 0
    assert "gone.csv is not here, so how long the stages take hangs on how many users and items there are" in out
    assert "estimated" not in out


def test_a_large_study_needs_a_word(file, tmp_path, capsys):
    """The number of its runs is told."""
    file.write_text(f'base = "run.toml"\naxes = {{ seed = {list(range(1001))} }}\n', encoding="utf-8")
    code, _, err = call("study", str(file), "--out", str(tmp_path / "new"), capsys=capsys)

    assert code == 2
    assert err.startswith("error: the study has 1,001 runs, more than 1,000; say --yes")


def test_the_status(folder, capsys):
    """A table and counts for people, the status of each run for programs."""
    code, out, _ = call("study-status", str(folder), capsys=capsys)
    assert code == 0
    assert "2 finished, 1 failed" in out

    code, out, _ = call("study-status", str(folder), "--json", capsys=capsys)
    assert code == 0
    assert [(run["run"], run["status"]) for run in json.loads(out)] == [
        ("keep_ratio=0.5", "finished"),
        ("keep_ratio=0.25", "finished"),
        ("min_rating=9.0", "failed"),
    ]


def test_the_status_of_a_study_that_has_just_begun(folder, capsys):
    """A run without a result is still to be done, and the table is empty."""
    shutil.rmtree(folder / "runs")
    (folder / "failures.json").unlink()
    code, out, _ = call("study-status", str(folder), capsys=capsys)

    assert code == 0
    assert "3 unfinished" in out


def test_the_outputs_anew(folder, monkeypatch, capsys):
    """The report, the archive and the paper, from the results alone; without ``pdflatex`` the paper's source."""
    monkeypatch.setenv("PATH", "")
    code, out, _ = call("study-report", str(folder), "--paper", capsys=capsys)

    assert code == 0
    assert out.splitlines() == outputs(folder)


def test_the_outputs_of_no_study(tmp_path, capsys):
    """One line says so."""
    code, _, err = call("study-report", str(tmp_path), capsys=capsys)

    assert code == 2
    assert "is no study's folder: it holds no study.json" in err
