"""Distilling a language model of SmolLM2-135M's shape, 30 → 8 layers, beside TRL and a plain loop: speed and memory.

python -m benchmarks.distillation candidates     # one way in a process of its own: prints what it took, as JSON
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import attrs
import torch

from benchmarks.distillation_ways import WAYS, Shape, Trained, extra_seconds, train
from benchmarks.memory import STATUS, process_memory
from benchmarks.step_parts import PARTS
from benchmarks.timing import Row
from shortstack.models.devices import bfloat16_is_faster
from shortstack.models.malloc import keep_freed_memory

EXTRA_LOSSES = "extra losses"
PEERS = {
    "trl": "TRL's GKD loss, forward KL",
    "trl-default": "TRL's GKD loss, its default",
    "loop": "plain Hugging Face loop",
}
SPEED_TARGETS = {"candidates, cache": "≥ 7 × TRL", "vocabulary, cache": "≥ 7 × TRL", "vocabulary": "≥ 2.5 × TRL"}
MEMORY_TARGETS = {"candidates": "≤ 0.2 × TRL", "vocabulary": "≤ 0.35 × TRL"}

GROWTH = Shape(words=1, width=64, teacher=4, student=2, batch=64)
CATALOGUES = (1_000, 10_000, 50_000, 100_000, 1_000_000)
YARDSTICK = 10_000
"""Items of the catalogue beside which the others are set: the smallest whose logits fill more than a chunk."""


@attrs.frozen(kw_only=True)
class Taken:
    """What a way took, in a process of its own.

    Attributes:
        seconds: Of the quickest step.
        peak: Bytes at the peak beyond the models; None where the system does not tell.
        kept: Bytes of the gradients and of the optimiser's state, which are part of the peak.
        parts: Share of each part in the steps; empty where they are not measured apart.
    """

    seconds: float
    peak: int | None
    kept: int
    parts: Mapping[str, float]


def main() -> None:
    """Do one job, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=[*WAYS, EXTRA_LOSSES])
    parser.add_argument("--bfloat16", action="store_true", help="multiply in bfloat16")
    parser.add_argument("--shape", type=json.loads, default={}, help="sizes that differ from SmolLM2's, as JSON")
    arguments = parser.parse_args()
    shape = Shape(**arguments.shape)
    if arguments.job == EXTRA_LOSSES:
        keep_freed_memory()
        print(json.dumps(extra_seconds(shape, bfloat16=arguments.bfloat16)))
    else:
        print(json.dumps(attrs.asdict(taken(arguments.job, shape, bfloat16=arguments.bfloat16))))


def taken(way: str, shape: Shape, *, bfloat16: bool) -> Taken:
    """Train in one of the ways, and return what it took in this process."""
    before = list[int]()
    trained = train(way, shape, bfloat16=bfloat16, started=lambda: before.append(_memory_at_start()))
    return Taken(
        seconds=min(trained.seconds),
        peak=process_memory("VmHWM") - before[0] if STATUS.is_file() else None,
        kept=3 * sum(parameter.nbytes for parameter in shape.model(shape.student).parameters()),
        parts=_shares(trained),
    )


def _memory_at_start() -> int:
    """Return the bytes of this process, and count its peak from here."""
    gc.collect()
    if not STATUS.is_file():
        return 0
    STATUS.with_name("clear_refs").write_text("5")  # proc(5): the peak starts anew
    before = process_memory("VmRSS")
    keep_freed_memory()  # as runs do; after the models are made, or what that freed would hide a part of the peak
    return before


def _shares(trained: Trained) -> dict[str, float]:
    return {part: seconds / sum(trained.seconds) for part, seconds in trained.parts.items()}


def measure_distillation(shape: Shape | None = None, catalogues: Sequence[int] = CATALOGUES) -> Iterator[Row]:
    """Measure all ways, what each further loss costs, and how a step grows with the catalogue.

    Args:
        shape: Sizes of the models; SmolLM2-135M's by default.
        catalogues: Numbers of items, ``YARDSTICK`` among them.
    """
    shape, bfloat16 = shape or Shape(), bfloat16_is_faster(torch.device("cpu"))
    names = [way for way in WAYS if not way.startswith("trl") or find_spec("trl")]
    if len(names) < len(WAYS):
        print("skipped: TRL's GKD loss, since the package trl is not installed; make bench installs it")
    ways = {way: Taken(**_alone(way, shape, bfloat16=bfloat16)) for way in names}
    setting = f"{shape.teacher} → {shape.student} layers, {'bfloat16' if bfloat16 else 'float32'}"
    yield from speed_rows(ways, shape, setting)
    yield from memory_rows(ways, setting)
    yield from part_rows(ways)
    yield from extra_rows(_alone(EXTRA_LOSSES, attrs.evolve(shape, steps=2), bfloat16=bfloat16))
    yield from growth_rows({items: _grown(items) for items in catalogues})


def _alone(job: str, shape: Shape, *, bfloat16: bool) -> dict[str, Any]:
    """Return what a job printed, in a fresh process: memory that another job freed would hide its peak."""
    command = [sys.executable, "-m", "benchmarks.distillation", job, "--shape", json.dumps(attrs.asdict(shape))]
    quiet = {**os.environ, "TRL_EXPERIMENTAL_SILENCE": "1"}
    answer = subprocess.run(
        [*command, "--bfloat16"] if bfloat16 else command, stdout=subprocess.PIPE, text=True, check=True, env=quiet
    ).stdout
    printed: dict[str, Any] = json.loads(answer.splitlines()[-1])  # a trainer prints its own summary before
    return printed


def _grown(items: int) -> Taken:
    """Return what a step takes with so many items; with a million one step is enough, the first."""
    shape = attrs.evolve(GROWTH, items=items, steps=1 if items >= 1_000_000 else 3)
    return Taken(**_alone("candidates", shape, bfloat16=False))


def speed_rows(ways: Mapping[str, Taken], shape: Shape, setting: str) -> Iterator[Row]:
    """Yield the tokens per second of each way of ours beside each peer's."""
    tokens = shape.batch * shape.tokens
    for way, peer in _pairs(ways):
        yield {
            "what": f"distilling, {setting}: {way}",
            "measured": f"{tokens / ways[way].seconds:.0f} tokens/s",
            "beside": f"{PEERS[peer]}: {tokens / ways[peer].seconds:.0f} tokens/s",
            "ratio": ways[peer].seconds / ways[way].seconds,
            "target": SPEED_TARGETS.get(way, "") if peer != "loop" else "",
        }


def memory_rows(ways: Mapping[str, Taken], setting: str) -> Iterator[Row]:
    """Yield the peak memory of each way of ours beside each peer's, with gradients and optimiser, and without."""
    for way, peer in _pairs(ways):
        ours, theirs = ways[way], ways[peer]
        if ours.peak is not None and theirs.peak is not None:
            target = MEMORY_TARGETS.get(way, "") if peer != "loop" else ""
            yield _memory_row(f"the models, {setting}: {way}", peer, (ours.peak, theirs.peak), target)
            besides = ours.peak - ours.kept, theirs.peak - theirs.kept
            yield _memory_row(f"models, gradients and AdamW, {setting}: {way}", peer, besides, "")


def _memory_row(beyond: str, peer: str, sizes: tuple[int, int], target: str) -> Row:
    ours, theirs = sizes
    return {
        "what": f"memory beyond {beyond}",
        "measured": _mib(ours),
        "beside": f"{PEERS[peer]}: {_mib(theirs)}",
        "ratio": ours / theirs,
        "target": target,
    }


def part_rows(ways: Mapping[str, Taken]) -> Iterator[Row]:
    """Yield the share of each part in a step of ours."""
    for way, took in ways.items():
        for part in PARTS if took.parts else ():
            share = took.parts.get(part, 0.0)
            yield {
                "what": f"share of a step, {way}: {part}",
                "measured": f"{share * took.seconds:.2f} s",
                "beside": f"the step: {took.seconds:.2f} s",
                "ratio": share,
                "target": "",
            }


def extra_rows(seconds: Mapping[str, float]) -> Iterator[Row]:
    """Yield what each further loss adds to a step with labels and soft targets."""
    for loss, taken_with in seconds.items():
        if loss:
            yield {
                "what": f"labels and soft targets over the items, and {loss}",
                "measured": f"{taken_with:.2f} s a step, {100 * (taken_with / seconds[''] - 1):+.0f} %",
                "beside": f"without it: {seconds['']:.2f} s",
                "ratio": taken_with / seconds[""],
                "target": "≤ 1.1",
            }


def growth_rows(catalogues: Mapping[int, Taken]) -> Iterator[Row]:
    """Yield time per item, and memory beyond models, gradients and optimiser, beside those of the yardstick."""
    unit = catalogues[YARDSTICK]
    for items, took in catalogues.items():
        what = f"{items:,} items, width {GROWTH.width}, {GROWTH.batch} × {GROWTH.tokens - 1} positions"
        yield {
            "what": f"time per item of a step, {what}",
            "measured": f"{took.seconds:.2f} s",
            "beside": f"{YARDSTICK:,} items: {unit.seconds:.2f} s",
            "ratio": took.seconds / items / (unit.seconds / YARDSTICK),
            "target": "≤ 1" if items > YARDSTICK else "",
        }
        if took.peak is not None and unit.peak is not None:
            ours, theirs = took.peak - took.kept, unit.peak - unit.kept
            yield {
                "what": f"memory beyond models, gradients and AdamW, {what}",
                "measured": _mib(ours),
                "beside": f"{YARDSTICK:,} items: {_mib(theirs)}",
                "ratio": ours / theirs,
                "target": "about 1" if items > YARDSTICK else "",
            }


def _pairs(ways: Mapping[str, Taken]) -> list[tuple[str, str]]:
    return [(way, peer) for way in ways if way not in PEERS for peer in PEERS if peer in ways]


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


if __name__ == "__main__":
    main()
