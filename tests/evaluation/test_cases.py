"""The values of every method on every case, on the disk and back."""

import numpy as np
import polars as pl
import pytest

from shortstack.errors import DataError, SourceNotFoundError
from shortstack.evaluation.cases import read_cases, write_cases
from shortstack.evaluation.evaluation import Evaluation


def evaluation(values):
    """Return an evaluation of three cases of two users."""
    return Evaluation(
        values={"ndcg@10": np.array(values), "loss": np.zeros(3)},
        users=np.array([1, 0, 1]),
        targets=np.arange(3),
        resamples=10,
        seed=0,
    )


@pytest.fixture
def path(tmp_path):
    """The file of two methods."""
    evaluations = {"teacher": evaluation([0.5, 0.1, 0.2]), "student": evaluation([0.3, np.nan, 0.0])}
    keys = np.array([7, 2**64 - 1], dtype=np.uint64)
    write_cases(tmp_path / "cases.parquet", evaluations, ["ndcg@10"], keys)
    return tmp_path / "cases.parquet"


def test_a_row_for_each_model_and_case(path):
    """With the users' keys, and the metrics that were named; what does not count is null."""
    table = read_cases(path)

    assert table.columns == ["model", "case", "user", "ndcg@10"]
    assert table.rows() == [
        ("teacher", 0, 2**64 - 1, 0.5),
        ("teacher", 1, 7, 0.1),
        ("teacher", 2, 2**64 - 1, 0.2),
        ("student", 0, 2**64 - 1, 0.3),
        ("student", 1, 7, None),
        ("student", 2, 2**64 - 1, 0.0),
    ]
    assert list(path.parent.iterdir()) == [path], "it is written whole"


def test_some_models(path):
    """The others are not read."""
    assert read_cases(path, ["student"])["model"].unique().to_list() == ["student"]


def test_users_without_keys_have_their_numbers(path):
    """For a task of one's own whose numbers are those of every run."""
    write_cases(path, {"teacher": evaluation([0.0, 0.0, 0.0])}, ["ndcg@10"], None)

    assert read_cases(path)["user"].to_list() == [1, 0, 1]
    assert read_cases(path).schema["user"] == pl.UInt64


def test_an_earlier_version_kept_none(tmp_path):
    """The message says what makes them."""
    with pytest.raises(
        SourceNotFoundError,
        match=r"cases\.parquet is not there: .* an earlier one kept no cases; remove the folder .*evaluation, and start the run "
        "again",
    ):
        read_cases(tmp_path / "evaluation" / "cases.parquet")


def test_a_damaged_file(path):
    """Is one line."""
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"cases\.parquet is damaged .*; remove its folder, and start the run again"):
        read_cases(path)
