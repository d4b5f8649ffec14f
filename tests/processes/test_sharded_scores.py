"""Scores of layers that are divided among processes (FSDP2) are those of a whole model in one process."""

import attrs
import pytest
import torch
from processes.several import in_processes
from processes.test_scores import SCORERS, batches
from processes.test_sharded_training import FAMILIES, tiny

import shortstack_importance
from shortstack import Registry, measure_importance
from shortstack.importance.calibration import checked_batches
from shortstack.importance.probe import ModelProbe
from shortstack.models.sharding import shard_layers
from shortstack.registry import Origin


def divided(world, family, layers):
    """Return a model, divided where there are several processes, and the world in which each passes as often."""
    model = tiny(family, layers)
    if world.size > 1:
        shard_layers(model, torch.device("cpu"))
    return model, attrs.evolve(world, in_step=world.size > 1)


def measured(world, family, size):
    """Every scorer's scores, and passes of a probe without some layers."""
    registry = Registry()
    registry.register(shortstack_importance, Origin("shortstack", "importance", "0.1.0"))
    model, world = divided(world, family, 4)
    answers = measure_importance(model, batches(size), SCORERS, registry=registry, world=world)
    probe = ModelProbe(model, checked_batches(batches(size), torch.device("cpu")), world=world)
    passes = [probe.log_probability(skip=skip) for skip in [(), (0,), (1,), (2,), (3, 1)]]
    return {name: answer.scores for name, answer in answers.items()} | {"passes": torch.cat(passes)}


@pytest.mark.full
@pytest.mark.parametrize("family", FAMILIES)
def test_scores(family):
    """Of six batches each of two processes has three; of three batches one has a spare one."""
    for size in (2, 4):
        (alone,) = in_processes(1, measured, family, size)
        for several in in_processes(2, measured, family, size):
            for name, scores in alone.items():
                assert float((several[name] - scores).abs().max()) <= 1e-10 * float(scores.abs().max()), name
