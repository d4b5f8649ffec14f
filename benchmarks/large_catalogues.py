"""Catalogues of up to a million items: recommendations, look-ups, and the growth of a training step and an evaluation.

python -m benchmarks.large_catalogues     # measures in this process, on one thread, and prints rows

Times are those of the processor, so that a busy machine does not count.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedModel, TrainerCallback

from benchmarks.memory import process_memory
from benchmarks.timing import Row
from shortstack.config.training import FitSettings
from shortstack.data.catalogue import Catalogue, Item
from shortstack.data.sequences import Sequences
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.rankers import ModelRanker
from shortstack.models.initial import initial_config, initial_model
from shortstack.recommender import Recommender
from shortstack.tasks import collate
from shortstack.tasks.next_item import NextItem

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
USERS, TITLES, WINDOW, BATCH, STEPS = 256, 50, 50, 8, 4
EVALUATED, REPEATS = 64, 3
WORDS: Final = [
    "The",
    "Of",
    "Last",
    "Red",
    "Night",
    "River",
    "City",
    "Man",
    "Dark",
    "House",
    "Love",
    "Day",
    "Moon",
    "Girl",
    "King",
    "Stone",
    "Wind",
    "Two",
    "Lost",
    "Summer",
]


def main() -> None:
    """Measure on one thread."""
    torch.set_num_threads(1)
    catalogue, model = large_catalogue(SIZES[-1]), small_model(SIZES[-1])
    for row in chain(_looked_up(catalogue), _recommended(model, catalogue), _growth()):
        print(json.dumps(row), flush=True)  # at once, for a part may take long


def measure_large_catalogues() -> list[Row]:
    """Measure in a process of its own, which has one thread."""
    command = [sys.executable, "-m", "benchmarks.large_catalogues"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def large_catalogue(items: int) -> Catalogue:
    """Return items with titles of four words and a number."""
    words = np.random.default_rng(0).choice(WORDS, (items, 4))
    titles = (f"{' '.join(four)} {number}" for number, four in enumerate(words.tolist()))
    return Catalogue(items=[Item(id=f"m{n}", title=title, token=n + 1) for n, title in enumerate(titles)])


def small_model(items: int) -> PreTrainedModel:
    """Return two layers of width 64 with fresh weights."""
    torch.manual_seed(0)
    fields = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "tie_word_embeddings": True}
    return initial_model(initial_config(fields | heads, vocabulary=items + 1))


def _looked_up(catalogue: Catalogue) -> list[Row]:
    size = len(catalogue)
    titles = [catalogue.items[place].title for place in np.random.default_rng(1).integers(size, size=TITLES)]
    built = _seconds(lambda: (catalogue.place(""), catalogue.near("")))
    found = _seconds(lambda: [catalogue.find(title) for title in titles])
    near = [_seconds(partial(catalogue.near, title[:7] + title[8:])) for title in titles]
    once = f"dictionary and index are built once, in {built:.1f} s"
    return [
        _row(f"{size:,} items: look-up of {TITLES} titles", f"{found * 1e3:.2f} ms; {once}", "5 ms", found / 5e-3),
        _row(f"{size:,} items: a title with a letter left out, the slowest of {TITLES}", f"{max(near) * 1e3:.0f} ms", "50 ms", max(near) / 50e-3),
    ]  # fmt: skip


def _recommended(model: PreTrainedModel, catalogue: Catalogue) -> list[Row]:
    recommender = Recommender(model=model, catalogue=catalogue, window=WINDOW)
    draw, size = np.random.default_rng(0), len(catalogue)
    histories = [[catalogue.items[place].id for place in draw.integers(size, size=WINDOW)] for _ in range(USERS)]
    recommender.recommend_many(histories[:1], 10)
    before = process_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    seconds = _seconds(lambda: recommender.recommend_many(histories, 10))
    peak = process_memory("VmHWM") - before
    what = f"{size:,} items of width 64: the ten best for {USERS} users, on one thread"
    measured = f"{seconds:.1f} s, {peak / 2**20:.0f} MiB beyond model and catalogue"
    return [_row(what, measured, "5 s", seconds / 5)]


def _growth() -> Iterator[Row]:
    """Yield a row for each tenfold catalogue: by how much the times grow beside the number of items."""
    _evaluation(SIZES[0])  # a warm-up
    before = (_step(SIZES[0]), _evaluation(SIZES[0]))
    for smaller, larger in pairwise(SIZES):
        after = (_step(larger), _evaluation(larger))
        growth = max(late / early for early, late in zip(before, after, strict=True))
        what = (
            f"a step of {BATCH} histories and an evaluation of {EVALUATED} users, {larger:,} items beside {smaller:,}"
        )
        measured, beside = (" and ".join(f"{seconds:.3f} s" for seconds in both) for both in (after, before))
        yield _row(what, measured, beside, growth / (larger / smaller))
        before = after


def _histories(items: int, users: int) -> Sequences:
    """Draw histories of one item more than the window, the last one for the test."""
    length = WINDOW + 1
    return Sequences(
        items=np.random.default_rng(0).integers(0, items, users * length),
        offsets=np.arange(0, users * length + 1, length),
        splits=np.tile(np.array([0] * WINDOW + [2], np.int8), users),
        catalogue_size=items,
    )


def _evaluation(items: int) -> float:
    """Return the seconds of the fastest evaluation."""
    ranker = ModelRanker(model=small_model(items), candidates=torch.arange(1, items + 1), window=WINDOW)
    evaluator, cases = RecommendationEvaluator(resamples=1), _histories(items, EVALUATED).cases("test")
    return min(_seconds(lambda: evaluator.evaluate(ranker, cases)) for _ in range(REPEATS))


def _step(items: int) -> float:
    """Return the seconds of the fastest step after the first, a warm-up."""
    catalogue = Catalogue(items=[Item(id=str(n), title="", token=n + 1) for n in range(items)])
    examples = NextItem(window=WINDOW).training_examples(_histories(items, 1_000), catalogue)
    settings = FitSettings(steps=STEPS, batch_size=BATCH, warmup_steps=0, evaluate_every=STEPS)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(Path(folder), settings, seed=0, device="cpu", validated=False)
        arguments.save_strategy = "no"
        fit(
            DistillationTrainer(
                small_model(items),
                arguments,
                examples,
                losses={"labels": 1.0},
                balancing="fixed",
                candidates=torch.arange(1, items + 1),
                data_collator=collate,
                callbacks=[clock],
            )
        )
    return min(clock.seconds[1:])


class _Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Measures the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:
        self._start = process_time()

    def on_step_end(self, *_: object, **__: object) -> None:
        self.seconds.append(process_time() - self._start)


def _seconds(job: Callable[[], object]) -> float:
    start = process_time()
    job()
    return process_time() - start


def _row(what: str, measured: str, beside: str, ratio: float) -> Row:
    return {"what": what, "measured": measured, "beside": beside, "ratio": ratio, "target": "at most 1"}


if __name__ == "__main__":
    main()
