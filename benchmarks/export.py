"""Users a second of an exported recommender: onnxruntime beside torch, and int8 beside float32, in one process."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.service import ITEMS, LENGTH, student
from benchmarks.timing import Row, best_seconds
from shortstack import Recommender, export_recommender
from shortstack.exporting.reader import Reader

BATCHES = {1: 200, 64: 1_920}
"""Histories of a call → histories in all."""


def measure_export() -> Iterator[Row]:
    """Measure histories of titles in, lists of titles out."""
    with tempfile.TemporaryDirectory() as place:
        recommender, readers = student(), dict[str, Reader]()
        for name in ("onnx", "int8"):
            export_recommender(recommender, Path(place) / name, format=name)
            readers[name] = Reader(Path(place) / name)
        yield from (row for batch in BATCHES for row in _rows(recommender, readers, batch))


def _rows(recommender: Recommender, readers: dict[str, Reader], batch: int) -> Iterator[Row]:
    drawn = np.random.default_rng(0).integers(ITEMS, size=(BATCHES[batch], LENGTH))
    histories = [[f"i{number}" for number in row] for row in drawn]
    calls: dict[str, Callable[[list[list[str]]], object]] = {
        "torch": recommender.recommend_many,
        **{name: reader.recommend for name, reader in readers.items()},
    }

    def job(call: Callable[[list[list[str]]], object]) -> Callable[[], object]:
        return lambda: [call(histories[start : start + batch]) for start in range(0, len(histories), batch)]

    best = best_seconds({name: job(call) for name, call in calls.items()})
    rates = {name: len(histories) / seconds for name, seconds in best.items()}
    for name, peer, what in (
        ("onnx", "torch", "recommend_many, by torch"),
        ("int8", "onnx", "float32, by onnxruntime"),
    ):
        yield {
            "what": f"{name} by onnxruntime, histories of {LENGTH}, {batch} a call, {ITEMS:,} items",
            "measured": f"{rates[name]:.0f} users/s",
            "beside": f"{what}: {rates[peer]:.0f} users/s",
            "ratio": rates[name] / rates[peer],
            "target": "none",
        }
