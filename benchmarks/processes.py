"""Work that two processes share, each with one thread, beside one process with one thread; on GPUs, all of them beside one.

Beside both, the limit that the machine sets: the same work done by each process for itself, at the same time. The
processes of ``python -m benchmarks.processes WORK FILE`` do the work once, and the first one writes the seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import attrs
import torch
from transformers import PreTrainedModel, default_data_collator

from benchmarks.compiled_training import KEPT, ROWS, THREE, StepClock, padded_histories
from benchmarks.models import ITEMS, quickstart_teacher
from benchmarks.passes import fold_scorers
from benchmarks.smollm2 import EXAMPLES, converted, text_batches
from benchmarks.timing import Row
from benchmarks.workloads import awake
from shortstack import Registry, build_student, measure_importance
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.data.sequences import Cases
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.rankers import ModelRanker
from shortstack.importance.objectives import next_token
from shortstack.models.devices import device_named
from shortstack.models.hf_logging import silenced_transformers
from shortstack.models.stored import stored_model
from shortstack.processes import World, joined

TURNS: Final = 2
TOKENS, BATCHES, USERS = 64, 4, 2_048
LM_ROWS, LM_TOKENS, LM_STEPS = 32, 51, 3
SMALL: Final = FitSettings(steps=16, batch_size=ROWS, warmup_steps=0, evaluate_every=16, patience=0)
SHARED: Final[Mapping[str, Any]] = {"first": 4, "candidates": torch.arange(1, ITEMS + 1)}
WINDOW: Final = 50


@attrs.frozen(kw_only=True)
class Work:
    """Work that processes share.

    Attributes:
        what: Its description in the table.
        seconds: Does it in a process of a world, on a device, and returns the seconds it took.
        target: The ratio that is aimed at.
    """

    what: str
    seconds: Callable[[World, torch.device], float]
    target: str


def measure_processes(device: str = "cpu") -> Iterator[Row]:
    """Measure each work by one process and by several, in turns; the best of each counts."""
    size = torch.cuda.device_count() if device == "cuda" else 2
    with silenced_transformers():
        converted()  # once, before processes want it
    for name, work in WORKS.items():
        alone = shared = apart = float("inf")
        for _ in range(TURNS):
            alone = min(alone, _together(name, 1, device))
            shared = min(shared, _together(name, size, device))
            apart = min(apart, _apart(name, size, device))
        most = size * alone / apart
        yield {
            "what": f"{work.what}: {size} processes",
            "measured": f"{shared:.2f} s",
            "beside": f"one process {alone:.2f} s; {size} that share nothing take {apart:.2f} s each: at most {most:.2f}",
            "ratio": alone / shared,
            "target": work.target,
        }


def _together(name: str, size: int, device: str) -> float:
    """Return the seconds that processes take which share the work."""
    with tempfile.TemporaryDirectory() as folder:
        return _seconds_of(_started(name, size, device, Path(folder) / "seconds"))


def _apart(name: str, count: int, device: str) -> float:
    """Return the mean of the seconds that each of so many processes takes which do the whole work at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        started = [_started(name, 1, device, Path(folder) / str(n), hidden=n) for n in range(count)]
        return sum(_seconds_of(each) for each in started) / count


def _started(
    name: str, size: int, device: str, out: Path, hidden: int | None = None
) -> tuple[subprocess.Popen[bytes], Path]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}"]
    work = ["-m", "benchmarks.processes", name, str(out), "--device", device]
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
    own = {} if hidden is None or device == "cpu" else {"CUDA_VISIBLE_DEVICES": devices[hidden]}
    here = {"OMP_NUM_THREADS": "1"} | own
    return subprocess.Popen([sys.executable, *launcher, *work], env={**os.environ, **here}), out


def _seconds_of(started: tuple[subprocess.Popen[bytes], Path]) -> float:
    process, out = started
    if process.wait():
        raise RuntimeError(f"{' '.join(map(str, process.args))} ended with {process.returncode}")  # type: ignore[arg-type]
    return float(out.read_text(encoding="utf-8"))


def _swept(world: World, device: torch.device) -> float:
    """SmolLM2-135M with every scorer of the sweep, after a warm-up with a batch for each process."""
    registry = Registry.from_environment()
    with silenced_transformers():
        model = stored_model(converted(), "float32").to(device)
    batches = text_batches(converted(), TOKENS, BATCHES, str(device))

    def sweep(count: int) -> object:
        return measure_importance(
            model, batches[:count], fold_scorers(registry), objective=next_token, registry=registry, world=world
        )

    sweep(world.size)
    return _taken(world, device, lambda: sweep(BATCHES))


def _language_model_trained(_world: World, device: torch.device) -> float:
    """A step of SmolLM2-135M: labels alone, all of its vocabulary."""
    with silenced_transformers():
        model = stored_model(converted(), "float32")
    batches = text_batches(converted(), LM_TOKENS, LM_STEPS * LM_ROWS // EXAMPLES, "cpu")
    rows = [{name: tensor[n] for name, tensor in batch.items()} for batch in batches for n in range(EXAMPLES)]
    settings = FitSettings(steps=LM_STEPS, batch_size=LM_ROWS, warmup_steps=0, evaluate_every=LM_STEPS, patience=0)
    return _quickest_step(model, rows, settings, device, first=1, losses={"labels": 1.0})


def _trained(_world: World, device: torch.device) -> float:
    """A step of the quickstart's teacher: labels alone."""
    return _quickest_step(quickstart_teacher(), padded_histories(), SMALL, device, **SHARED, losses={"labels": 1.0})


def _distilled(_world: World, device: torch.device) -> float:
    """A step of a student of three layers with three losses."""
    teacher = awake(quickstart_teacher())
    distilled = {"teacher": teacher, "selection": Selection(kept=KEPT, of=len(teacher.model.layers)), "losses": THREE}
    return _quickest_step(build_student(teacher, KEPT), padded_histories(), SMALL, device, **SHARED, **distilled)


def _quickest_step(
    model: PreTrainedModel, rows: Any, settings: FitSettings, device: torch.device, *, first: int, **given: Any
) -> float:
    """Return the seconds of the quickest step after some first ones, of batches that all processes divide."""
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(Path(folder), settings, seed=0, device=device.type, validated=False)
        arguments.save_strategy = "no"
        trainer = DistillationTrainer(
            model,
            arguments,
            rows,
            balancing="fixed",
            data_collator=default_data_collator,
            callbacks=[clock],
            shared_batch=True,
            **given,
        )
        fit(trainer)
    return clock.quickest(first)


def _evaluated(world: World, device: torch.device) -> float:
    """The quickstart's teacher ranks all items for users with long histories."""
    model = awake(quickstart_teacher()).to(device).eval()
    ranker = ModelRanker(model=model, candidates=torch.arange(1, ITEMS + 1, device=device), window=WINDOW)
    evaluator = RecommendationEvaluator(resamples=1, world=world)
    evaluator.evaluate(ranker, _cases(USERS // 8))
    return _taken(world, device, lambda: evaluator.evaluate(ranker, _cases(USERS)))


def _cases(users: int) -> Cases:
    draw = torch.Generator().manual_seed(0)
    items = torch.rand(users, ITEMS, generator=draw).topk(WINDOW + 1).indices.numpy()  # each once: none was seen before
    starts = torch.arange(users).numpy() * (WINDOW + 1)
    return Cases(
        items=items.reshape(-1),
        users=torch.arange(users).numpy(),
        targets=items[:, -1],
        starts=starts,
        stops=starts + WINDOW,
    )


def _taken(world: World, device: torch.device, job: Callable[[], object]) -> float:
    """Return the seconds of a job that all processes begin together."""
    world.gather(None)
    start = perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter() - start


_SHAPE: Final = f"width 96, batches of {ROWS} × 30 tokens"
WORKS: Final[Mapping[str, Work]] = {
    "sweep": Work(
        what=f"a sweep of SmolLM2-135M, {BATCHES} batches of {EXAMPLES} × {TOKENS} tokens, all its scorers",
        seconds=_swept,
        target="at least 1.7",
    ),
    "lm-training": Work(
        what=f"a training step of SmolLM2-135M in float32, {LM_ROWS} × {LM_TOKENS} tokens",
        seconds=_language_model_trained,
        target="at least 1.5",
    ),
    "training": Work(what=f"a training step, 12 layers of {_SHAPE}", seconds=_trained, target="at least 1.5"),
    "distillation": Work(
        what=f"a step, 12 → 3 layers of {_SHAPE}, three losses", seconds=_distilled, target="at least 1.5"
    ),
    "evaluation": Work(
        what=f"evaluation of 12 layers of width 96, {USERS:,} users, {ITEMS:,} items",
        seconds=_evaluated,
        target="at least 1.8",
    ),
}


def main() -> None:
    """Do one work, as one of the processes that share it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=list(WORKS))
    parser.add_argument("out", type=Path, help="the file for the seconds")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    with joined() as world:
        seconds = WORKS[given.work].seconds(world, device_named(given.device, world))
        if world.is_first:
            given.out.write_text(str(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
