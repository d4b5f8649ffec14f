"""The benchmark of distillation, with models so small that it ends in seconds: every way trains, and rows say what they mean."""

import pytest

from benchmarks.distillation import (
    Taken,
    extra_rows,
    growth_rows,
    memory_rows,
    part_rows,
    speed_rows,
    taken,
)
from benchmarks.distillation_ways import EXTRAS, WAYS, Shape, extra_seconds
from benchmarks.step_parts import HEAD, PARTS, TEACHER, Parts

TINY = Shape(words=40, items=20, width=32, teacher=3, student=2, batch=2, tokens=5, steps=2)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_trains(monkeypatch, way, bfloat16):
    """Ours tell how long the parts of a step took, which together are at most the step."""
    if way.startswith("trl"):
        monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        pytest.importorskip("trl", reason="make bench installs it")
    took = taken(way, TINY, bfloat16=bfloat16)

    assert took.seconds > 0
    assert took.kept == 12 * sum(parameter.numel() for parameter in TINY.model(2).parameters())
    assert set(took.parts) == (set() if way in {"loop", "trl", "trl-default"} else set(PARTS))
    assert sum(took.parts.values()) <= 1


@pytest.mark.full
def test_every_further_loss_is_measured():
    """The first entry is the step without a further loss."""
    seconds = extra_seconds(TINY, bfloat16=False, turns=1)

    assert list(seconds) == ["", *EXTRAS]
    assert all(0 < value < float("inf") for value in seconds.values())


def test_a_part_within_another_is_not_counted_twice():
    """The outer clock stands still, so the sum of both is the time from begin to end."""
    parts = Parts()
    with parts.measure(HEAD), parts.measure(TEACHER):
        sum(range(100_000))

    assert parts.seconds[TEACHER] > parts.seconds[HEAD]
    parts.reset()
    assert not parts.seconds


def test_ratios():
    """Speed is theirs over ours in seconds, memory ours over theirs, growth per item."""
    ways = {
        "trl": Taken(seconds=8.0, peak=400, kept=100, parts={}),
        "candidates": Taken(seconds=2.0, peak=160, kept=100, parts={TEACHER: 0.5}),
    }
    catalogues = {
        items: Taken(seconds=items / 10_000, peak=100 + items, kept=items, parts={}) for items in (1_000, 10_000)
    }

    assert [row["ratio"] for row in speed_rows(ways, TINY, "")] == [4.0]
    assert [row["ratio"] for row in memory_rows(ways, "")] == [0.4, 0.2]  # with gradients and optimiser, and without
    assert [row["ratio"] for row in part_rows(ways)] == [0.5, 0.0, 0.0, 0.0, 0.0]
    assert [row["ratio"] for row in extra_rows({"": 2.0, "ranking": 3.0})] == [1.5]
    assert [row["ratio"] for row in growth_rows(catalogues)] == [1.0, 1.0, 1.0, 1.0]


def test_without_a_peak_there_are_no_rows_of_memory():
    """Other systems than Linux do not tell."""
    ways = {way: Taken(seconds=1.0, peak=None, kept=1, parts={}) for way in ("loop", "candidates")}

    assert list(memory_rows(ways, "")) == []
    assert len(list(growth_rows({10_000: ways["loop"]}))) == 1
