"""Scores of layers, and passes of a probe, that processes share are those of one."""

from functools import partial

import pytest
import torch
from processes.several import in_processes
from processes.test_training import examples, tiny

import shortstack_importance
from shortstack import Registry, measure_importance
from shortstack.importance.calibration import checked_batches
from shortstack.importance.probe import ModelProbe
from shortstack.importance.probe_cache import CachedProbe, ProbeCache
from shortstack.registry import Origin
from shortstack.tasks import collate

SCORERS = ("fisher", "gradient", "taylor", "attention", "block-influence", "magnitude", "drop-loss", "hybrid")


def batches(size):
    """Batches of ragged examples, some of which have no labels."""
    rows = examples(11)
    return [collate(rows[start : start + size]) for start in range(0, len(rows), size)]


def measured(world, size, dtype):
    """Every scorer's scores of a tiny model."""
    registry = Registry()
    registry.register(shortstack_importance, Origin("shortstack", "importance", "0.1.0"))
    given = {"registry": registry, "world": world}
    answers = measure_importance(tiny(4, 16).to(dtype), batches(size), SCORERS, **given)
    return {name: (answer.scores, answer.examples) for name, answer in answers.items()}


@pytest.mark.parametrize(
    ("size", "dtype", "bound"),
    [
        pytest.param(2, torch.float64, 1e-10, marks=pytest.mark.full),
        pytest.param(2, torch.float32, 1e-5, marks=pytest.mark.full),
        (6, torch.float64, 1e-10),
    ],
)
def test_scores(size, dtype, bound):
    """Of six batches each of three processes has two; of two batches, one process has none."""
    (alone,) = in_processes(1, measured, size, dtype)
    for several in (*in_processes(2, measured, size, dtype), *in_processes(3, measured, size, dtype)):
        for name, (scores, counted) in alone.items():
            ours, ours_counted = several[name]
            assert counted == ours_counted
            assert float((ours - scores).abs().max()) <= bound * float(scores.abs().max()), name
    assert len(alone) == len(SCORERS)


def probed(world, path):
    """Passes without layers, in the order of a greedy strategy, the second time from the cache of the first process."""
    made = partial(ModelProbe, tiny(4, 16), world=world)
    with ProbeCache(path, lambda _done, note="": None, world) as answers:
        probe = CachedProbe(made(checked_batches(batches(2), torch.device("cpu"))), answers)
        skips = [(), (3,), (0,), (1, 3), (0, 3)]
        return [probe.log_probability(skip=skip) for skip in skips], probe.few(3).log_probability(skip=[2])


def test_passes(tmp_path):
    """Each example's log-probability is the same to the last bit, in the order of the examples."""
    ((passes, few),) = in_processes(1, probed, tmp_path / "alone")
    for path in ("fresh", "alone"):  # and with the results of an earlier attempt by one process
        for ours, our_few in in_processes(3, probed, tmp_path / path):
            assert all(torch.equal(a, b) for a, b in zip(passes, ours, strict=True))
            assert torch.equal(few, our_few)


def at_odds(world):
    """Processes that skip other layers."""
    probe = ModelProbe(tiny(4, 16), checked_batches(batches(2), torch.device("cpu")), world=world)
    return probe.log_probability(skip=[world.rank])


def test_another_layer_in_each_process():
    """Their parts would be of two models, so that is refused."""
    failed = in_processes(2, at_odds)

    assert any("one process of the run skips the layers [0] and another one [1]" in one.message for one in failed)
    assert {"ConfigurationError", "OtherProcessError"} >= {one.kind for one in failed}
