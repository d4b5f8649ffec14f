"""A Llama of the shape of the 8 B model, with random bfloat16 weights: a sweep beside ordinary passes, on a GPU."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig

from benchmarks.memory import rows_of
from benchmarks.passes import floor, fold_scorers, forward, forward_backward, sweep
from benchmarks.timing import Job, Row, best_seconds
from benchmarks.workloads import Workload, stock_loss
from shortstack import Registry
from shortstack.importance.objectives import next_token

LARGE = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
TINY = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 224,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
EXAMPLES, TOKENS, BATCH = 64, 256, 8
TARGET = "at most 0.8"


def measure_large(device: str) -> dict[str, Any]:
    """Measure seconds, peak memory and tokens per second; on a CPU with a tiny shape, to test the script alone."""
    shape = LARGE if device == "cuda" else TINY
    registry, work = Registry.from_environment(), _workload(shape, device)
    folds = fold_scorers(registry)
    jobs: dict[str, Job] = {
        "forward": partial(forward, work),
        "forward+backward": partial(forward_backward, work),
        "floor": partial(floor, work),
        "sweep-fisher": partial(sweep, work, ["fisher"], registry),
        "sweep-all": partial(sweep, work, folds, registry),
    }
    seconds = best_seconds(jobs, rounds=2)
    peaks = {name: _peak(job) for name, job in jobs.items()} if device == "cuda" else {}
    return {
        "shape": shape,
        "parameters": work.model.num_parameters(),
        "dtype": "bfloat16",
        "examples": f"{EXAMPLES} x {TOKENS} tokens in batches of {BATCH}, every next token a label",
        "scorers": folds,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "rows": [*_times(seconds), *(rows_of(peaks, "peak memory, weights included") if peaks else [])],
        "seconds": seconds,
        "tokens per second": {name: EXAMPLES * TOKENS / value for name, value in seconds.items()},
        "peak GiB, weights included": {name: value / 2**30 for name, value in peaks.items()},
    }


def _workload(shape: Mapping[str, int], device: str) -> Workload:
    """Make the workload; weights are drawn on the device, for drawing 8 B of them on a CPU takes minutes."""
    torch.manual_seed(0)
    config = LlamaConfig(**shape, max_position_embeddings=TOKENS, tie_word_embeddings=False)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        tokens = torch.randint(1, shape["vocab_size"], (EXAMPLES, TOKENS))
    return Workload(
        name="large",
        model=model,
        batches=[
            {"input_ids": rows, "attention_mask": torch.ones_like(rows), "labels": rows} for rows in tokens.split(BATCH)
        ],
        objective=next_token,
        loss=stock_loss,
    )


def _times(seconds: Mapping[str, float]) -> list[Row]:
    step = seconds["forward+backward"]
    return [
        {
            "what": name,
            "measured": f"{value:.3f} s",
            "beside": f"forward+backward with parameter gradients {step:.3f} s",
            "ratio": value / step,
            "target": TARGET if name.startswith("sweep") else "",
        }
        for name, value in seconds.items()
        if name != "forward+backward"
    ]


def _peak(job: Job) -> int:
    """Return the peak memory of a job in bytes."""
    torch.cuda.reset_peak_memory_stats()
    job()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
