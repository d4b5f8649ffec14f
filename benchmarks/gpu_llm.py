"""Language-model teachers on a GPU: SmolLM2-135M on MovieLens 1M, and a Llama of the 8 B model's shape through one step of each stage."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from benchmarks.gpu_sweep import LARGE, TINY
from shortstack import AdaptiveLayerSelector, Budget, build_student, measure_importance
from shortstack.config.training import FitSettings, LoraSettings
from shortstack.distillation.fitting import fit
from shortstack.distillation.lora import adapted
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.evaluation.rankers import ModelRanker

ITEMS, EXAMPLES, TOKENS = 512, 8, 256
SCORERS = ("fisher", "attention", "gradient", "hybrid", "block-influence")
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0}
"""Peak TFLOP/s of dense bfloat16 products, by the manufacturer's data sheet."""


def measure_stages(device: str) -> dict[str, Any]:
    """Measure seconds and peak memory of one step of each stage; on a CPU with a tiny shape, to test the script alone."""
    shape = LARGE if device == "cuda" else TINY
    config = LlamaConfig(**shape, max_position_embeddings=TOKENS, tie_word_embeddings=False)
    torch.manual_seed(0)
    with torch.device(device):
        teacher = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        tokens = torch.randint(1, ITEMS, (EXAMPLES, TOKENS))
    candidates = torch.arange(ITEMS, device=device)
    rows = [{"input_ids": row, "labels": row} for row in tokens.tolist()]
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": tokens}
    stages: dict[str, Any] = {}
    with _measured(stages, "teacher: a step of LoRA", device):
        _learn(teacher, rows, candidates, device, {"labels": 1.0})
    with _measured(stages, "importance: a batch", device):
        scores = measure_importance(teacher, [batch], SCORERS)
    selection = AdaptiveLayerSelector("strategic", Budget(keep_ratio=0.25)).select(scores["hybrid"])
    with _measured(stages, "student: built", device):
        student = build_student(teacher, selection)
    with _measured(stages, "distillation: a step of LoRA", device):
        losses = {"labels": 1.0, "soft-targets": 1.0, "hidden-states": 1.0}
        _learn(student, rows, candidates, device, losses, teacher=teacher, selection=selection)
    with _measured(stages, "evaluation: a batch of the student", device):
        ModelRanker(model=student, candidates=candidates, window=TOKENS).scores([row.cpu().numpy() for row in tokens])
    return {
        "shape": shape,
        "parameters": teacher.num_parameters(),
        "work": f"{EXAMPLES} x {TOKENS} tokens, float32 weights, bfloat16 arithmetic where trained",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "stages": stages,
    }


class _measured:  # noqa: N801 -- a context manager
    """Measures the seconds, and on a GPU the peak memory in GiB, of its block."""

    def __init__(self, found: dict[str, Any], name: str, device: str) -> None:
        self._found, self._name, self._cuda = found, name, device == "cuda"

    def __enter__(self) -> None:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        self._start = perf_counter()

    def __exit__(self, *_: object) -> None:
        if self._cuda:
            torch.cuda.synchronize()
        figures = {"seconds": perf_counter() - self._start}
        if self._cuda:
            figures["peak GiB"] = torch.cuda.max_memory_allocated() / 2**30
        self._found[self._name] = figures


def _learn(
    model: PreTrainedModel,
    rows: list[dict[str, list[int]]],
    candidates: Tensor,
    device: str,
    losses: Mapping[str, float],
    **others: Any,
) -> None:
    settings = FitSettings(steps=1, batch_size=EXAMPLES, warmup_steps=0, learning_rate=1e-4, patience=0)
    with tempfile.TemporaryDirectory() as folder, adapted(model, LoraSettings(), trained=[]):
        arguments = training_arguments(Path(folder), settings, seed=0, device=device, validated=False)
        arguments.save_strategy = "no"
        fit(
            DistillationTrainer(
                model, arguments, rows, losses=losses, candidates=candidates, data_collator=_collate, **others
            )
        )


def _collate(rows: list[dict[str, list[int]]]) -> dict[str, Tensor]:
    batch = {name: torch.tensor([row[name] for row in rows]) for name in ("input_ids", "labels")}
    return {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}


def share_of_peak(work: Mapping[str, float], device: str) -> float | None:
    """Return a training's share of the device's peak floating-point operations per second; None if that is unknown."""
    peak = next((value for name, value in PEAK_TFLOPS.items() if name in device), None)
    return None if peak is None else work["floating_point_operations"] / work["seconds"] / (peak * 1e12)
