"""One sweep for all scorers beside one ordinary forward and backward pass of the same batches."""

from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.memory import measure_memory
from benchmarks.passes import floor, fold_scorers, forward, forward_backward, states_only, sweep
from benchmarks.peers import measure_peers
from benchmarks.smollm2 import language_models
from benchmarks.timing import Job, Row, best_seconds
from benchmarks.workloads import Workload, recommenders
from shortstack import Registry
from shortstack.contracts import Signal

TARGET = "at most 0.8"
STEP = "forward+backward"
GRADIENTS = {Signal.GRADIENTS, Signal.PARAMETER_GRADIENTS}
PASSES = {"floor": "the floor", "states": "a forward pass without logits", "": "no pass at all"}


def measure_sweep(device: str = "cpu") -> Iterator[Row]:
    """Measure recommenders with every scorer on its own, a language model, peers, the oracle, and memory."""
    registry = Registry.from_environment()
    for work in recommenders(device):
        yield from _beside_a_step(work, registry, rounds=3, apart=True)
        yield from _oracle(work, registry)
    yield from measure_peers(registry, device)
    for work in language_models(device):
        yield from _beside_a_step(work, registry, rounds=2, apart=False)
    yield from measure_memory(device)


def _beside_a_step(work: Workload, registry: Registry, *, rounds: int, apart: bool) -> list[Row]:
    """Compare bare passes, Fisher and all scorers with forward+backward passes; and measure each scorer's own cost.

    Args:
        work: The workload to score.
        registry: The scorers.
        rounds: Number of timings of each.
        apart: Whether every scorer is also timed on its own.
    """
    folds = fold_scorers(registry)
    jobs: dict[str, Job] = {
        STEP: partial(forward_backward, work),
        "floor": partial(floor, work),
        "fisher": partial(sweep, work, ["fisher"], registry),
        "all": partial(sweep, work, folds, registry),
    }
    if apart:
        jobs["states"] = partial(states_only, work)
        jobs |= {name: partial(sweep, work, [name], registry) for name in folds}
    seconds = best_seconds(jobs, rounds)
    step = seconds[STEP]
    return [
        _row(work, "floor: forward+backward to activations, no scorer", seconds["floor"], step),
        _row(work, "sweep, fisher alone", seconds["fisher"], step, TARGET),
        _row(work, f"sweep, {len(folds)} scorers: {', '.join(folds)}", seconds["all"], step, TARGET),
        *([_share(work, registry, name, seconds) for name in folds] if apart else []),
    ]


def _share(work: Workload, registry: Registry, name: str, seconds: Mapping[str, float]) -> Row:
    """Return the cost of a scorer on its own beyond the passes that it needs."""
    needs = registry.build("scorer", name).needs
    passes = "floor" if needs & GRADIENTS else "states" if needs else ""
    least = seconds[passes] if passes else 0.0
    what = f"{name} alone, beyond {PASSES[passes]}"
    return _row(work, what, seconds[name] - least, seconds[STEP])


def _row(work: Workload, what: str, seconds: float, step: float, target: str = "") -> Row:
    return {
        "what": f"{work.name}: {what}",
        "measured": f"{seconds:.2f} s",
        "beside": f"forward+backward with parameter gradients {step:.2f} s",
        "ratio": seconds / step,
        "target": target,
    }


def _oracle(work: Workload, registry: Registry) -> list[Row]:
    """Measure leaving out each layer in turn, in forward passes."""
    jobs = {"forward": partial(forward, work), "oracle": partial(sweep, work, ["drop-loss"], registry)}
    seconds, layers = best_seconds(jobs, rounds=2), work.model.config.num_hidden_layers
    return [
        {
            "what": f"{work.name}: drop-loss, in forwards",
            "measured": f"{seconds['oracle']:.2f} s",
            "beside": f"one forward {seconds['forward']:.2f} s",
            "ratio": seconds["oracle"] / seconds["forward"],
            "target": f"about {layers / 2 + 1:.0f}",
        }
    ]
