"""Training from 25 million interactions in prepared Parquet shards: a rank's memory, and the time to the first step.

python -m benchmarks.large_data FOLDER     # writes the shards if they are not there, runs up to a few steps, prints rows
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import Any, Final

from transformers import TrainerCallback

from benchmarks.memory import process_memory
from benchmarks.scale import MOVIES, RATINGS, ratings_frame
from benchmarks.timing import Row
from shortstack import Run
from shortstack.run_layout import DATA, RECORD

SHARDS: Final = 16
STEPS: Final = 10
BATCH: Final = 64
_FIGURES: Final = "figures.json"


def main() -> None:
    """Measure in a folder that keeps the shards."""
    print(json.dumps(rows(Path(sys.argv[1])), indent=2))


def measure_large_data() -> list[Row]:
    """Measure with shards in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="shortstack-scale-") as name:
        return rows(Path(name))


def rows(folder: Path) -> list[Row]:
    """Write the shards if they are not there, and train for a few steps in a process of its own."""
    if not (folder / "shards").is_dir():
        write_shards(folder / "shards")
    figures = _trained(folder)
    what = f"{RATINGS:,} interactions in {SHARDS} Parquet shards, {MOVIES:,} items, width 64, batches of {BATCH}"
    beyond = figures["resident"] - figures["model"]
    return [
        {
            "what": f"{what}: resident memory of the process while it trains, without the model and its optimiser",
            "measured": f"{beyond / 2**20:.0f} MiB ({figures['anonymous'] / 2**20:.0f} MiB in all are no mapped file)",
            "beside": "1 GiB",
            "ratio": beyond / 2**30,
            "target": "below 1",
        },
        {
            "what": f"{what}: from the end of the data stage to the end of the first step",
            "measured": f"{figures['first']:.1f} s (the data stage: {figures['prepared']:.1f} s)",
            "beside": "30 s",
            "ratio": figures["first"] / 30,
            "target": "below 1",
        },
    ]


def write_shards(folder: Path, ratings: int = RATINGS) -> None:
    """Write so many ratings of the scale benchmark as prepared sequences, users by their number, and a table of items."""
    import polars as pl

    folder.mkdir(parents=True)
    users = (
        ratings_frame(ratings)
        .sort("userId", "timestamp")
        .group_by("userId", maintain_order=True)
        .agg(items="movieId", ratings="rating", timestamps="timestamp")
        .rename({"userId": "user"})
    )
    size = -(-len(users) // SHARDS)
    for number in range(SHARDS):
        users[number * size : (number + 1) * size].write_parquet(folder / f"part-{number:05}.parquet")
    movies = range(1, MOVIES + 1)
    items = {"item": [movie * 3 for movie in movies], "title": [f"Movie, The ({movie})" for movie in movies]}
    pl.DataFrame(items).write_parquet(folder / "items.parquet")


def _trained(folder: Path) -> dict[str, float]:
    """Run the quickstart's teacher at width 64 from the shards, in a process that ends after some steps."""
    out = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    command = [sys.executable, "-c", f"from benchmarks.large_data import train; train({str(folder)!r}, {str(out)!r})"]
    done = subprocess.run(command, check=False, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    if not (out / _FIGURES).is_file():
        raise RuntimeError(f"the training ended with {done.returncode} before {STEPS} steps")
    return dict(json.loads((out / _FIGURES).read_text()))


def train(folder: str, out: str) -> None:
    """Train, watched, until the process ends itself."""
    Run(
        data={"source": f"{folder}/shards", "adapter": "prepared", "core": 5},
        task={"settings": {"window": 50}},
        teacher={
            "config": {
                "model_type": "llama",
                "num_hidden_layers": 4,
                "hidden_size": 64,
                "intermediate_size": 128,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "tie_word_embeddings": True,
            },
            "fit": {"steps": 1000, "batch_size": BATCH, "warmup_steps": 0, "evaluate_every": 1000},
        },
        callbacks=[Watch(Path(out))],
        device="cpu",
    ).execute(f"{out}/run")


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Measures the training from the end of the data stage on, and ends the process after some steps."""

    def __init__(self, out: Path) -> None:
        """Begin to look at the memory a few times a second."""
        self._out, self._begun, self._first = out, time.time(), 0.0
        self._seen: list[tuple[float, int, int]] = []
        Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self._seen.append((time.time(), process_memory("VmRSS"), process_memory("RssAnon")))
            time.sleep(0.2)

    def on_step_end(self, _args: object, state: Any, _control: object, **more: Any) -> None:
        """Note the first step; after the last write the figures and end."""
        self._first = self._first or time.time()
        if state.global_step == STEPS:
            (self._out / _FIGURES).write_text(json.dumps(self._figures(more["model"])))
            os._exit(0)

    def _figures(self, model: Any) -> dict[str, float]:
        prepared = (self._out / "run" / DATA / RECORD).stat().st_mtime
        since = [(resident, anonymous) for moment, resident, anonymous in self._seen if moment > self._first]
        resident, anonymous = max(since)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return {
            "resident": resident,
            "anonymous": anonymous,
            "model": 4 * 4 * parameters,  # weights, gradients, and the two moments of AdamW, in float32
            "first": self._first - prepared,
            "prepared": prepared - self._begun,
        }


if __name__ == "__main__":
    main()
