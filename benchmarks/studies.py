"""Overhead of a study: forty-five tiny runs, beside the seconds that their stages took, each unique stage once."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.timing import Row
from shortstack import Run, Study
from shortstack.digests import read_record
from shortstack.progress import Silent
from shortstack.run_layout import RECORD

ITEMS, USERS, EVENTS = 30, 60, 14
FIT = {"steps": 12, "batch_size": 16, "learning_rate": 0.01, "warmup_steps": 2, "evaluate_every": 4}
AXES = {
    "selection.scorer": ["fisher", "attention", "gradient"],
    "selection.keep_ratio": [0.5, 0.4, 0.3, 0.25, 0.2],
    "seed": [0, 1, 2],
}


class Reports(Silent):
    """Progress that adds up the seconds of the runs' reports, which are no stages: each run has its own."""

    def __init__(self) -> None:
        """Begin at none."""
        self.seconds = 0.0

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Add the seconds of a report."""
        start = perf_counter()
        yield
        self.seconds += perf_counter() - start if stage == "report" else 0.0


def measure_studies() -> Iterator[Row]:
    """Measure a study of three scorers, five sizes and three seeds, executed in turn, after a run that warms up."""
    with tempfile.TemporaryDirectory() as place:
        study, reports = Study(base=tiny_run(Path(place)), axes=AXES), Reports()
        study.base.execute(Path(place) / "warm-up", progress=Silent())
        start = perf_counter()
        result = study.execute(Path(place) / "study", progress=reports)
        whole = perf_counter() - start
        stages = seconds_of_stages(Path(place) / "study")
    runs, alone = len(result.outcomes), sum(stages.values())
    yield _row(f"study: {runs} tiny runs in turn, beside their {len(stages)} unique stages", whole, alone)
    yield _row(f"study: the same, beside these and the {runs} runs' reports", whole, alone + reports.seconds)


def _row(what: str, whole: float, parts: float) -> Row:
    return {
        "what": what,
        "measured": f"{whole:.1f} s",
        "beside": f"{parts:.1f} s",
        "ratio": whole / parts,
        "target": "under 1.15",
    }


def seconds_of_stages(folder: Path) -> dict[str, float]:
    """Return the seconds of each unique stage in a study's folder, by its key."""
    records = [read_record(path) or {} for path in sorted(folder.glob(f"runs/*/*/{RECORD}"))]
    return {record["key"]: record["seconds"] for record in records}


def tiny_run(folder: Path) -> Run:
    """Return a run of a second over the ratings of sixty users, who mostly step to the next item of a ring."""
    path = folder / "ring.csv"
    path.write_text("\n".join(["user,item,rating,time", *_ring()]) + "\n", encoding="utf-8")
    columns = {"user": "user", "item": "item", "rating": "rating", "timestamp": "time", "timestamp_unit": "s"}
    return Run(
        data={"source": str(path), "adapter": "table", "core": 2, "settings": columns},
        task={"settings": {"window": 10}},
        teacher={"config": _config(), "fit": FIT},
        importance={"scorers": AXES["selection.scorer"], "examples": 16},
        selection={"scorer": "fisher"},
        distillation={"fit": FIT},
        evaluation={"resamples": 100, "scratch": False},
        device="cpu",
    )


def _ring() -> list[str]:
    draw, lines = random.Random(0), []  # noqa: S311 -- data, no secrets
    for user in range(USERS):
        item = draw.randrange(ITEMS)
        for step in range(EVENTS):
            lines.append(f"u{user},i{item},{draw.randint(1, 5)},{1_000_000 + 100 * step + user}")
            item = (item + (1 if draw.random() < 0.8 else draw.randrange(2, 9))) % ITEMS
    return lines


def _config() -> dict[str, Any]:
    return {
        "model_type": "llama",
        "num_hidden_layers": 10,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "initializer_range": 0.1,
        "tie_word_embeddings": True,
    }
