"""The supplementary archive: complete, checked by its sums, and the same bytes for the same results."""

import hashlib
import os
import shutil
import zipfile

import pytest

from shortstack import Run, StudyResult


@pytest.fixture(scope="module")
def archive(made_up):
    """The made-up study's archive."""
    return made_up.supplementary()


def test_the_same_results_give_the_same_bytes(made_up, archive, tmp_path):
    """In another folder, with other times of the files, and written twice."""
    folder = shutil.copytree(made_up.folder, tmp_path / "elsewhere")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    other = StudyResult.load(folder)

    assert other.supplementary().read_bytes() == archive.read_bytes()
    assert other.supplementary().read_bytes() == archive.read_bytes()


def test_other_results_give_other_bytes(made_up, archive, tmp_path):
    """A changed figure is seen."""
    folder = shutil.copytree(made_up.folder, tmp_path / "elsewhere")
    path = next(folder.glob("runs/*/result.json"))
    path.write_text(path.read_text(encoding="utf-8").replace("671", "672"), encoding="utf-8")

    assert StudyResult.load(folder).supplementary().read_bytes() != archive.read_bytes()


def test_it_holds_what_is_needed(made_up, archive):
    """Settings, results, cases, environment, commands; sorted, and each with its checksum."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        sums = dict(line.split("  ")[::-1] for line in opened.read("SHA256SUMS").decode().splitlines())
        hashes = {name: hashlib.sha256(opened.read(name)).hexdigest() for name in names if name != "SHA256SUMS"}
        commands = opened.read("commands.txt").decode()

    assert names == sorted(names)
    assert sums == hashes
    assert {"study.json", "failures.json", "results.csv", "environment.json", "README.txt"} <= set(names)
    for outcome in made_up.outcomes:
        wanted = {f"runs/{outcome.name}/{name}" for name in ("run.json", "result.json", "evaluation/cases.parquet")}
        assert wanted & set(names) == (wanted if outcome.result else set())
    assert "pip install shortstack==0.1.0 torch==2.13" in commands


def test_what_is_unpacked_is_a_study(made_up, archive, tmp_path):
    """Its table is the same, and is written anew from it."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    again = StudyResult.load(tmp_path)

    assert again.rows() == made_up.rows()
    assert [row.ratio for row in again.compare().rows] == [row.ratio for row in made_up.compare().rows]


def test_a_run_of_it_can_be_done_again(executed, tmp_path):
    """``Run.of_folder`` reads its settings."""
    with zipfile.ZipFile(executed[1].supplementary()) as opened:
        opened.extractall(tmp_path)
    (name, *_) = executed[1].outcomes

    assert Run.of_folder(tmp_path / "runs" / name.name).selection.keep_ratio == 0.5
