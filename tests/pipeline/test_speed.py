"""Inference speed: measured on each task's inputs, by real passes, within a time limit."""

import time

import numpy as np
import pytest
import torch

from shortstack.pipeline import speed
from shortstack.pipeline.speed import ROUNDS_ALONE, measured_speed

CPU = torch.device("cpu")


def test_it_is_what_the_work_takes():
    """Two ms per call and 0.1 ms per user: 2.1 for one user, 5.2 for 32, the set-up of the first call excluded."""
    first = [True]

    def answer(rows):
        time.sleep(0.002 + 0.0001 * len(rows) + (0.2 if first and first.pop() else 0))

    speed = measured_speed(answer, 100, CPU)

    assert 2.1 <= speed["ms_per_user_1"] < 10
    assert 5.2 / 32 <= speed["ms_per_user_32"] < 1
    assert speed["users_per_second"] == pytest.approx(1000 / speed["ms_per_user_32"])


def test_the_same_users_are_answered_alone_and_together():
    """The same users, from first to last, are timed singly and in batches; with fewer than 32 some occur twice."""
    batches = []
    measured_speed(batches.append, 100, CPU)
    single, whole = ([b.tolist() for b in batches if len(b) == size] for size in (1, 32))

    assert [row for (row,) in single[1:]] == whole[0] * ROUNDS_ALONE
    assert (whole[0][0], whole[0][-1]) == (0, 99)
    few = []
    measured_speed(few.append, 3, CPU)
    assert set(np.concatenate(few).tolist()) == {0, 1, 2}


def test_what_else_the_machine_does_does_not_count():
    """Pauses in one round of three, or in eight of nine, do not affect the result."""
    calls = {1: 0, 32: 0}

    def answer(rows):
        calls[len(rows)] += 1
        busy = 34 < calls[1] <= 66 if len(rows) == 1 else calls[32] > 2
        time.sleep(0.05 if busy else 0.001)

    speed = measured_speed(answer, 100, CPU)

    assert speed["ms_per_user_1"] < 10
    assert speed["ms_per_user_32"] < 10 / 32


def test_a_slow_model_is_not_measured_for_long(monkeypatch):
    """After the time limit nothing is repeated: one warm-up and one measured pass for each size."""
    monkeypatch.setattr(speed, "BUDGET", 0.0)
    batches = []
    measured_speed(batches.append, 100, CPU)

    assert [len(batch) for batch in batches] == [1, 1, 32, 32]
