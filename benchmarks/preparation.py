"""Preparation from Parquet: memory and processor time of the data stage, beside a sort of the same file by polars."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.large_data import write_shards
from benchmarks.memory import process_memory
from benchmarks.scale import ratings_frame
from benchmarks.timing import Row

INTERACTIONS: Final = 8_000_000
_SOURCES: Final[dict[str, dict[str, Any]]] = {
    "table": {"source": "ratings.parquet", "settings": {"user": "userId", "item": "movieId", "timestamp": "timestamp"}},
    "prepared": {"source": "shards"},
}


def measure_preparation() -> list[Row]:
    """Measure both adapters and the sort, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="shortstack-preparation-") as name:
        folder = Path(name)
        ratings_frame(INTERACTIONS).sample(fraction=1.0, shuffle=True, seed=0).write_parquet(folder / "ratings.parquet")
        write_shards(folder / "shards", INTERACTIONS)
        sort = _in_a_process(folder, "polars")
        return [_row(adapter, _in_a_process(folder, adapter), sort) for adapter in _SOURCES]


def _row(adapter: str, ours: dict[str, float], sort: dict[str, float]) -> Row:
    return {
        "what": f"{INTERACTIONS:,} interactions as Parquet, adapter `{adapter}`, 5-core, leave-last: the most memory beyond the libraries",
        "measured": f"{ours['peak'] / 2**20:.0f} MiB, {ours['seconds']:.1f} s of processor time",
        "beside": f"polars' streaming engine sorts the table's file by user and time: {sort['peak'] / 2**20:.0f} MiB, {sort['seconds']:.1f} s",
        "ratio": ours["peak"] / sort["peak"],
        "target": None,
    }


def _in_a_process(folder: Path, work: str) -> dict[str, float]:
    code = f"from benchmarks.preparation import watched; watched({str(folder)!r}, {work!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def watched(folder: str, work: str) -> None:
    """Do one piece of work; print the most memory that it took, and its processor time."""
    do = _sorting(Path(folder)) if work == "polars" else _preparing(Path(folder), work)
    before = process_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    start = time.process_time()
    do()
    print(json.dumps({"peak": process_memory("VmHWM") - before, "seconds": time.process_time() - start}))


def _sorting(folder: Path) -> Any:
    import polars as pl

    table = pl.scan_parquet(folder / "ratings.parquet").sort("userId", "timestamp")
    return lambda: table.sink_parquet(folder / "sorted.parquet")


def _preparing(folder: Path, adapter: str) -> Any:
    import transformers  # noqa: F401 -- loaded before the memory is looked at

    from shortstack import Run

    named = _SOURCES[adapter]
    teacher = {"config": {"model_type": "llama", "num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 2}}
    data = {"adapter": adapter, "core": 5, **named, "source": str(folder / named["source"])}
    run = Run(data=data, teacher=teacher, device="cpu")
    return lambda: run.prepare(folder / f"run-{adapter}")
