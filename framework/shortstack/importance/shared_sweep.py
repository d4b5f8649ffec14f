"""A sweep that several processes share: each sweeps some of the batches, and the scorers' states come together by ``merge``."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import attrs
from transformers import PreTrainedModel

from shortstack.importance.calibration import Batch
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.scorers import Scorers
from shortstack.importance.states import Plain, Tensors, put_away, rebuilt
from shortstack.importance.sweep import Swept, sweep
from shortstack.models.objectives import Objective
from shortstack.processes import World
from shortstack.registry.isolation import plugin_errors

_Sent = tuple[Swept, Mapping[str, tuple[Tensors, Plain]]]


def shared_sweep(
    model: PreTrainedModel,
    batches: Sequence[Batch],
    scorers: Scorers,
    objective: Objective,
    *,
    calls: GuardedCalls,
    world: World,
) -> Swept:
    """Sweep this process's batches, and return the result of a sweep over those of all processes, in every process.

    Each process has batches that follow one another, so that states come together in the order of the examples.

    Raises:
        PluginError: A scorer failed, or its state holds a value that cannot be sent.
        OtherProcessError: Another process has failed.
    """
    bounds = [len(batches) * rank // world.size for rank in (world.rank, world.rank + 1)]
    own = list(_numbered(batches))[slice(*bounds)]
    behind = world.in_step and len(own) < -(-len(batches) // world.size)
    swept = sweep(model, own, scorers.folds, objective, calls=calls, spare=batches[: int(behind)])
    parts = [_received(part) for part in world.gather(_sent(swept, scorers))]
    # a process without batches has nothing to add; neither have the others where scorers read the weights alone
    read = [part for part in parts if part.examples] or parts[:1]
    return reduce(lambda left, right: left.merged(right, scorers.folds, calls), read)


def _numbered(batches: Sequence[Batch]) -> Iterator[Batch]:
    """Yield batches whose labelled examples have, in messages, the numbers that they have among those of all processes."""
    befores = accumulate((int(batch.supervised.sum()) for batch in batches), initial=0)
    for batch, before in zip(batches, befores, strict=False):
        numbers = (batch.supervised.cumsum(0) - 1 + before).tolist()
        yield attrs.evolve(batch, places=tuple(batch.called(row, number) for row, number in enumerate(numbers)))


def _sent(swept: Swept, scorers: Scorers) -> _Sent:
    states = {}
    for name, state in swept.states.items():
        with plugin_errors(scorers.components[name], "has a state that cannot be sent to another process"):
            states[name] = put_away(state)
    return attrs.evolve(swept, states={}), states


def _received(sent: _Sent) -> Swept:
    swept, states = sent
    restored: dict[str, Any] = {name: rebuilt(*state) for name, state in states.items()}
    return attrs.evolve(swept, states=restored)
