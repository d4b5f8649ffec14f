"""The example of a task of one's own: a run by its ``module:attribute``, over sessions."""

import sys
from pathlib import Path

import polars as pl
import pytest
from pipeline.conftest import ring_tables

from shortstack import Run
from shortstack.data.sequences import Sequences
from shortstack.run_layout import DATA, SEQUENCES
from shortstack.tasks import Feedback, Task, named_task

EXAMPLES = Path(__file__).parents[2] / "examples" / "tasks"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    """Make the example importable."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    sys.modules.pop("next_in_session", None)


def ratings(path):
    """Write twenty users with two sessions of five each, a day apart, each around a ring of ten items."""
    lines = ["user,item,rating,time,title"]
    for user in range(20):
        for session in (0, 1):
            for step in range(5):
                item = (user + 3 * session + step) % 10
                lines.append(f"u{user},i{item},5,{1_000_000 + 86_400 * session + 60 * step},Item {item}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_it_is_a_task_with_its_own_feedback():
    """The task satisfies both protocols, and its name holds the pause, on which results depend."""
    task = named_task("next_in_session:NextInSession", {"pause_hours": 2})

    assert isinstance(task, Task)
    assert isinstance(task.reads, Feedback)
    assert task.reads.name == "sessions-2.0"


@pytest.mark.parametrize(("pause", "sessions"), [(1.0, 40), (48.0, 20)])
def test_sessions_are_cut_at_pauses(tmp_path, pause, sessions):
    """A pause of a day ends a session unless two days are needed."""
    run = Run.from_mapping(
        ring_tables(
            ratings(tmp_path / "ratings.csv"),
            task={"name": "next_in_session:NextInSession", "settings": {"pause_hours": pause}},
        )
    )
    run.prepare(tmp_path / "run")
    sequences = Sequences.load(tmp_path / "run" / DATA / SEQUENCES)

    assert len(sequences.offsets) - 1 == sessions
    assert set(pl.Series(sequences.offsets).diff().drop_nulls()) == {200 // sessions}


def test_a_whole_run(tmp_path):
    """From ratings to a student, with the baselines and metrics of the ranked catalogue."""
    task = {"name": "next_in_session:NextInSession", "settings": {"window": 5}}
    run = Run.from_mapping(ring_tables(ratings(tmp_path / "ratings.csv"), task=task))
    result = run.execute(tmp_path / "run")

    assert {"popularity", "item-knn", "markov", "teacher", "pruned", "student"} <= set(result.metrics)
    assert result.headlines["selected_by"] == "ndcg@10"
    assert result.data["users"] == 40
