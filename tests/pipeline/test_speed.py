"""Inference speed: measured on each task's inputs, by real passes, in turns, within a time limit."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from shortstack.pipeline import evaluation, speed
from shortstack.pipeline.speed import ROUNDS_TOGETHER, TURNS, USERS, Times, measured_times

CPU = torch.device("cpu")


def test_it_is_what_the_work_takes():
    """Two ms per call and 0.1 ms per user: 2.1 for one user, 5.2 for 32, the set-up of the first call excluded."""
    first = [True]

    def answer(rows):
        time.sleep(0.002 + 0.0001 * len(rows) + (0.2 if first and first.pop() else 0))

    speed = measured_times(answer, 100, CPU).speed

    assert 2.1 <= speed["ms_per_user_1"] < 10
    assert 5.2 / 32 <= speed["ms_per_user_32"] < 1
    assert speed["users_per_second"] == pytest.approx(1000 / speed["ms_per_user_32"])


def test_the_same_users_are_answered_alone_and_together():
    """The same users, from first to last, are timed singly and in batches; with fewer than 32 some occur twice."""
    batches = []
    measured_times(batches.append, 100, CPU)
    single, whole = ([b.tolist() for b in batches if len(b) == size] for size in (1, USERS))

    assert [row for (row,) in single[1:]] == whole[0]
    assert len(whole) == 1 + ROUNDS_TOGETHER
    assert (whole[0][0], whole[0][-1]) == (0, 99)
    few = []
    measured_times(few.append, 3, CPU)
    assert set(np.concatenate(few).tolist()) == {0, 1, 2}


def test_the_quickest_of_all_turns_counts():
    """Of each user and of the batch; a user that one turn did not reach is of the other."""
    first = Times(alone=np.array([1.0, 9.0, np.nan]), together=64.0, is_slow=False)
    second = Times(alone=np.array([5.0, 3.0, 2.0]), together=32.0, is_slow=False)

    assert first.quickest(second).alone.tolist() == [1.0, 3.0, 2.0]
    assert first.quickest(second).speed == {"ms_per_user_1": 2.0, "ms_per_user_32": 1.0, "users_per_second": 1000.0}


def test_a_slow_model_is_not_measured_for_long(monkeypatch):
    """After the time limit nothing is repeated: one warm-up and one measured pass for each size."""
    monkeypatch.setattr(speed, "BUDGET", 0.0)
    batches = []
    times = measured_times(batches.append, 100, CPU)

    assert [len(batch) for batch in batches] == [1, 1, USERS, USERS]
    assert times.is_slow
    assert times.speed["ms_per_user_1"] >= 0


def test_a_busy_minute_hits_all_models_alike(monkeypatch):
    """Models take turns, so that load while one is timed does not make it the slower one; a slow one has one turn."""
    order = []

    def loaded(_context, models):
        for name in models:
            order.append(name)
            yield name, name

    def measured(_answer, _cases, _device):
        load = 100.0 if len(order) == 2 else 0.0
        return Times(alone=np.full(USERS, 1.0 + load), together=32.0 + load, is_slow=False)

    monkeypatch.setattr(evaluation, "_loaded", loaded)
    monkeypatch.setattr(speed, "measured_times", measured)
    first = Times(alone=np.full(USERS, 50.0), together=500.0, is_slow=False)
    slow = Times(alone=np.full(USERS, 90.0), together=900.0, is_slow=True)
    times = evaluation._timed_again(
        SimpleNamespace(device=CPU),
        SimpleNamespace(answer=len, cases=9, candidate=str),
        {"teacher": "a", "large": "c", "student": "b"},
        {"teacher": first, "large": slow, "student": first},
    )

    assert order == ["teacher", "student"] * (TURNS - 1)
    assert times["teacher"].speed == times["student"].speed
    assert times["large"] is slow
