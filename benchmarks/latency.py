"""Latencies that a budget of ``latency_ms`` expects of students, beside those of the students themselves: one of every size."""

from collections.abc import Iterator, Mapping
from math import inf
from statistics import median

import torch
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks.timing import Row
from benchmarks.workloads import BATCH, quickstart
from shortstack import build_student
from shortstack.models.decoder import model_inputs
from shortstack.planning.latency import REPEATS, measured_latency, milliseconds

SIZES, ROUNDS = (1, 3, 6, 12), 5


def measure_latency(device: str = "cpu") -> Iterator[Row]:
    """Compare the sum of the layers' times with the time of a built student, per user in batches of the budget's size.

    Both are measured in turn, and the fastest of each counts: at different loads of the machine they would not compare.
    """
    work = quickstart(device)
    batch, students = work.batches[0], {layers: build_student(work.model, range(layers)) for layers in SIZES}
    expected, actual = dict.fromkeys(SIZES, inf), dict.fromkeys(SIZES, inf)
    for _ in range(ROUNDS):
        cost = measured_latency(work.model, batch, BATCH)
        for layers, student in students.items():
            expected[layers] = min(expected[layers], cost.of(range(layers)))
            actual[layers] = min(actual[layers], _timed(student, batch))
    for layers in SIZES:
        yield {
            "what": f"latency of {layers} of 12 layers, batches of {BATCH}",
            "measured": f"expected {expected[layers]:.3f} ms a user",
            "beside": f"student itself {actual[layers]:.3f} ms",
            "ratio": expected[layers] / actual[layers],
            "target": "0.67 to 1.5",
        }


def _timed(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> float:
    """Return the milliseconds per user of a plain pass of a stock model, without hooks or copies."""
    model.eval()
    inputs = model_inputs(model, batch["input_ids"][:BATCH], batch["attention_mask"][:BATCH])
    with torch.inference_mode():
        model(**inputs)  # warm-up
        return median(milliseconds(lambda: model(**inputs), model.device) for _ in range(REPEATS)) / BATCH
