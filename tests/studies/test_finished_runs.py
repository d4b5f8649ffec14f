"""Finished runs against the first: shared users, settings that differ, the command and its errors."""

import json

import numpy as np
import pytest
from pipeline.test_cli import call
from scipy.stats import ttest_rel
from studies.with_cases import run

import shortstack
from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError, UnknownNameError
from shortstack.studies.folder import STUDY


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three runs: a reference, one like it with another loss, and a smaller one of which half the users are others."""
    root, generator = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)
    values = generator.random(60)
    near = values + 0.01 * generator.standard_normal(60)
    far = np.roll(values, -30) - 0.2 + 0.05 * generator.standard_normal(60)  # the first 30 are the reference's last
    run(root / "first", {"student": values, "teacher": values + 0.1})
    run(root / "near", {"student": near, "teacher": values + 0.1}, selection__strategy="last")
    run(root / "far", {"student": far, "pruned": far}, users=range(30, 90), selection__keep_ratio=0.25, seed=1)
    return [root / name for name in ("first", "near", "far")]


def test_runs_against_the_first(folders):
    """Over the users that each shares with it; each row says in which settings it differs."""
    first, far = (shortstack.RunResult.load(folders[place]).case_values(["student"]) for place in (0, 2))
    rows = shortstack.compare(folders).rows

    assert [row.setting for row in rows] == [
        {"run": str(folders[1]), "selection.strategy": "last", "selection.keep_ratio": 0.5, "seed": 0},
        {"run": str(folders[2]), "selection.strategy": "top-k", "selection.keep_ratio": 0.25, "seed": 1},
    ]
    assert [(row.users, row.test_users) for row in rows] == [(60, 60), (30, 90)]
    assert {(row.reference, row.over, row.runs) for row in rows} == {(f"student of {folders[0]}", "users", 1)}
    expected = ttest_rel(far["ndcg@10"].to_numpy()[:30], first["ndcg@10"].to_numpy()[30:])
    assert rows[1].p == pytest.approx(expected.pvalue)
    assert rows[1].difference[1:] == pytest.approx(expected.confidence_interval(0.95))
    assert rows[1].p_holm == pytest.approx(2 * rows[1].p)


def test_results_in_place_of_folders(folders):
    """As they are, or their results; of any model that all have."""
    results = [shortstack.RunResult.load(folder) for folder in folders[:2]]

    assert shortstack.compare(results) == shortstack.compare(folders[:2])
    assert shortstack.compare(results, of="teacher").rows[0].difference == (0, 0, 0)


def test_the_command(folders, capsys):
    """A table with the runs' names, what the figures are over, and the number of shared users."""
    code, out, _ = call("compare", *map(str, folders), capsys=capsys)
    lines = [line.split() for line in out.splitlines()]

    assert code == 0
    assert out.startswith(f"NDCG@10 of student, less that of student of {folders[0]} (in brackets)")
    assert ["setting", "value", "difference", "ratio", "p", "verdict"] in lines
    assert [line[0] for line in lines if line[-1:] == ["inferior"]] == ["far"]
    assert ["keep_ratio=0.25"] in [line[:1] for line in lines]
    assert "95 % intervals over users; users that both test: 30 of 90 or 60\n" in out
    assert "one run each: trainings with other seeds may differ by more" in out
    assert "(at least 0.98 is kept) are corrected by Holm for 2" in out


def test_the_command_for_programs(folders, capsys):
    """The rows, in full."""
    code, out, _ = call("compare", *map(str, folders[:2]), "--json", "--keeps", "0.5", capsys=capsys)
    (row,) = shortstack.compare(folders[:2], keeps=0.5).rows

    assert code == 0
    assert json.loads(out) == {"rows": [row.row()], "left_out": {}}


def test_the_command_for_a_study(executed, capsys):
    """Its settings against their teachers; an unfinished one is said."""
    code, out, _ = call("compare", str(executed[0]), capsys=capsys)

    assert code == 0
    assert out.startswith("NDCG@10 of student, less that of teacher (in brackets)")
    assert "not compared: " in out
    assert ", no run of it is finished" in out

    code, out, _ = call("compare", str(executed[0]), "--reference", "markov", "--json", capsys=capsys)
    assert {row["reference"] for row in json.loads(out)["rows"]} == {"markov"}


def test_mistakes_of_the_command(folders, tmp_path, capsys):
    """A study beside others, and a reference that only a study has."""
    (tmp_path / STUDY).write_text("{}", encoding="utf-8")
    _, _, err = call("compare", str(tmp_path), str(folders[0]), capsys=capsys)
    assert f"error: {tmp_path} is a study, which is compared by itself; name it alone, or runs in its runs/" in err

    _, _, err = call("compare", *map(str, folders), "--reference", "teacher", capsys=capsys)
    assert "error: --reference is for a study; of several runs the first is the reference" in err


@pytest.mark.parametrize(
    ("places", "how", "error", "says"),
    [
        (
            [0],
            {},
            ConfigurationError,
            "one run has nothing to be compared with; name two runs or more, of which the first",
        ),
        ([0, 1, 0], {}, ConfigurationError, "first is named twice; name each run once, the first as the reference"),
        ([0, 2], {"of": "teacher"}, UnknownNameError, "unknown model of the run in .*far: 'teacher'"),
        ([0, 1], {"metric": "auc"}, UnknownNameError, "unknown headline metric of .*: 'auc'"),
        ([0, 1], {"keeps": 0.0}, ConfigurationError, "keeps must be a share above 0 and at most 1"),
    ],
)
def test_mistakes(folders, places, how, error, says):
    """Each is said in a line."""
    with pytest.raises(error, match=says):
        shortstack.compare([folders[place] for place in places], **how)


def test_one_folder_is_no_list(folders):
    """Its letters are not taken for runs."""
    with pytest.raises(ConfigurationError, match="one run has nothing to be compared with"):
        shortstack.compare(str(folders[0]))


def test_runs_that_cannot_be_compared(folders, tmp_path):
    """One that is not finished, of an earlier version, of another task, and of other data."""
    with pytest.raises(SourceNotFoundError, match=r"result\.json is not there: the run has not finished"):
        shortstack.compare([folders[0], tmp_path])
    old = run(tmp_path / "old", {"student": [0.5, 0.4]}).folder
    (old / "evaluation" / "cases.parquet").unlink()
    with pytest.raises(SourceNotFoundError, match="an earlier one kept no cases; remove the folder"):
        shortstack.compare([folders[0], old])
    rating = run(tmp_path / "rating", {"student": [0.5]}, task__name="rating").folder
    with pytest.raises(
        ConfigurationError, match=r"evaluated differently: task\.name = 'rating' and task\.name = 'next-item'"
    ):
        shortstack.compare([folders[0], rating])
    other = run(tmp_path / "other", {"student": [0.5, 0.4]}, users=[900, 901]).folder
    with pytest.raises(
        DataError, match="share no test user, so nothing is paired: their data have other files; compare runs"
    ):
        shortstack.compare([folders[0], other])


def test_objects_of_one_name_are_told_apart(tmp_path):
    """Two scorers of one name, of which the row has the digest; and a run by another path is the same run."""
    values = np.random.default_rng(0).random(40)
    for name in ("first", "second"):
        record = {"python object": "mine", "digest": name}
        run(tmp_path / name, {"student": values}, selection__scorer=record)
    first, second = (tmp_path / name for name in ("first", "second"))
    (row,) = shortstack.compare([first, second]).rows

    assert row.setting["selection.scorer.digest"] == "second"
    with pytest.raises(ConfigurationError, match="is named twice"):
        shortstack.compare([first, second / ".." / "first"])
