"""Means and ranges of a study's table in a terminal, of rows with figures made up for the purpose."""

import io

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shortstack.result import RunResult
from shortstack.studies.outcome import Outcome
from shortstack.studies.result import StudyResult
from shortstack.studies.table import study_table

SCORE = st.floats(0.1, 0.9)


def result(score, metric="ndcg@10"):
    """Return a run's result whose student has a score, and its teacher one that is larger by a tenth."""
    metrics = {"student": {metric: score}, "teacher": {metric: score + 0.1}}
    return RunResult(
        shortstack="0",
        plugins={},
        config={},
        environment={},
        data={},
        cost={},
        verdict="",
        importance={},
        audit={},
        selection={"strategy": "top-k", "budget": "", "kept": [0, 2], "of": 4, "reason": ""},
        parameters={"teacher": 4000, "student": 2000, "teacher_body": 1, "student_body": 1},
        metrics=metrics,
        intervals={"student": {metric: [score - 0.05, score + 0.05]}},
        comparisons={},
        headlines={"metrics": [metric], "selected_by": metric},
    )


def study_of(values, results, tmp):
    """Return the result of a study with one run for each table of values."""
    outcomes = [
        Outcome(name=f"run-{n}", variant="", values=each, status="finished", result=made)
        for n, (each, made) in enumerate(zip(values, results, strict=True))
    ]
    return StudyResult(folder=tmp, axes=tuple(values[0]), outcomes=tuple(outcomes))


def cells(table):
    """Return the cells of a table by row."""
    return list(zip(*(map(str, column.cells) for column in table.columns), strict=True))


@given(st.lists(SCORE, min_size=1, max_size=4), st.lists(SCORE, min_size=1, max_size=4))
def test_means_over_seeds(first, second):
    """Each setting has the mean of its seeds, as polars counts it, and the lowest and the highest."""
    values = [{"a.x": ratio, "seed": s} for ratio, scores in ((0.5, first), (0.25, second)) for s in range(len(scores))]
    study = study_of(values, [result(score) for score in (*first, *second)], None)
    means = study.to_polars().group_by("a.x", "model", maintain_order=True).agg(pl.col("ndcg@10").mean())
    expected = {(row["a.x"], row["model"]): f"{row['ndcg@10']:.4f}" for row in means.to_dicts()}

    for ratio, scores, row in zip((0.5, 0.25), (first, second), cells(study_table(study)), strict=True):
        span = f"{min(scores):.4f}–{max(scores):.4f}"
        assert row == (
            str(ratio), str(len(scores)), "2 of 4", expected[ratio, "student"], span, expected[ratio, "teacher"]
        )  # fmt: skip


def test_one_seed_has_an_interval_over_users():
    """Its own, of the result."""
    (row,) = cells(study_table(study_of([{"a.x": 1}], [result(0.5)], None)))

    assert row == ("1", "1", "2 of 4", "0.5000", "0.4500–0.5500", "0.6000")


def test_several_metrics_are_named():
    """Where tasks differ, so does what models are selected by."""
    study = study_of([{"task.name": "next-item"}, {"task.name": "rating"}], [result(0.5), result(0.4, "mae")], None)

    assert [row[3] for row in cells(study_table(study))] == ["NDCG@10", "MAE"]


def test_it_fits_a_terminal():
    """Two axes, in eighty columns, no header cut."""
    values = [{"selection.keep_ratio": 0.25, "selection.scorer": "attention", "seed": 0}]
    console = Console(width=80, file=io.StringIO())
    console.print(study_table(study_of(values, [result(0.5)], None)))

    assert "keep_ratio" in console.file.getvalue()
    assert "attention" in console.file.getvalue()


def test_types_of_axes():
    """Whole numbers and shares are numbers, texts texts, and a mixture is told as JSON."""
    mixed = [(2, "a", 1, None), (0.5, "b", "25%", True)]
    values = [dict(zip("wxyz", each, strict=True)) for each in mixed]
    table = study_of(values, [result(0.5), result(0.4)], None).to_polars().filter(pl.col("model") == "student")

    assert [table[name].to_list() for name in "wxyz"] == [[2.0, 0.5], ["a", "b"], ["1", "25%"], [None, True]]
