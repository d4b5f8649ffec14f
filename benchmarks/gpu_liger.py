"""A distillation on Liger's kernels beside the same on torch's, on a GPU: seconds a step, peak memory, and the losses."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import attrs
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, default_data_collator

from benchmarks.compiled_training import StepClock
from benchmarks.timing import Row
from shortstack import build_student
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments

# SmolLM2-360M
LARGE: Final = {
    "vocab_size": 49152,
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 15,
    "num_key_value_heads": 5,
}
TINY: Final = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
LOSSES: Final = {"labels": 1.0, "soft-targets": {"temperature": 2.0}, "hidden-states": 0.5}
TURNS: Final = 3


@attrs.frozen(kw_only=True)
class Taken:
    """What a training took.

    Attributes:
        step: Seconds of the quickest step, but for the first ones.
        peak: Bytes of memory at most; 0 on a CPU.
        losses: The total loss at each step.
    """

    step: float
    peak: int
    losses: Sequence[float]


def measure_liger(device: str) -> dict[str, Any]:
    """Measure trainings with and without, in turns; on a CPU with a tiny shape, for the test."""
    on_cuda = device == "cuda"
    rows, tokens, steps = (16, 512, 16) if on_cuda else (2, 4, 6)
    shape = LARGE if on_cuda else TINY
    with torch.random.fork_rng():
        torch.manual_seed(0)
        teacher = LlamaForCausalLM(LlamaConfig(**shape, pad_token_id=0, bos_token_id=None, eos_token_id=None)).eval()
    examples = _examples(rows * steps, tokens, shape["vocab_size"])
    turns = [
        {liger: _taken(teacher, examples, device, rows=rows, steps=steps, liger=liger) for liger in (False, True)}
        for _ in range(TURNS if on_cuda else 1)
    ]
    plain, fast = ([turn[liger] for turn in turns] for liger in (False, True))
    return {
        "shape": shape,
        "examples": f"batches of {rows} × {tokens} tokens, every next token a label",
        "versions": {name: version(name) for name in ("torch", "transformers", "liger-kernel", "triton")},
        "rows": _rows(plain, fast),
        "largest difference of a loss": max(
            abs(one / other - 1) for one, other in zip(fast[0].losses, plain[0].losses, strict=True)
        ),
        "losses": {"torch": plain[0].losses, "liger": fast[0].losses},
    }


def _rows(plain: Sequence[Taken], fast: Sequence[Taken]) -> list[Row]:
    step, beside = (min(taken.step for taken in turns) for turns in (fast, plain))
    rows: list[Row] = [
        {
            "what": "distilling a quarter of the layers: a step with kernels = 'liger'",
            "measured": f"{1000 * step:.0f} ms",
            "beside": f"without: {1000 * beside:.0f} ms",
            "ratio": beside / step,
            "target": "",
        }
    ]
    peak, without = fast[0].peak, plain[0].peak
    if peak:
        rows.append(
            {
                "what": "the same: peak memory",
                "measured": f"{peak / 2**30:.2f} GiB",
                "beside": f"without: {without / 2**30:.2f} GiB",
                "ratio": without / peak,
                "target": "",
            }
        )
    return rows


def _taken(
    teacher: PreTrainedModel, examples: list[dict[str, Tensor]], device: str, *, rows: int, steps: int, liger: bool
) -> Taken:
    layers = teacher.config.num_hidden_layers
    kept = tuple(range(0, layers, 4))
    settings = FitSettings(steps=steps, batch_size=rows, warmup_steps=0, evaluate_every=1, patience=0)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(Path(folder) / "checkpoints", settings, seed=0, device=device, validated=False)
        arguments.save_strategy = "no"
        trainer = DistillationTrainer(
            build_student(teacher, kept),
            arguments,
            examples,
            losses=LOSSES,
            teacher=teacher,
            selection=Selection(kept=kept, of=layers),
            balancing="fixed",
            data_collator=default_data_collator,
            callbacks=[clock],
            liger=liger,
        )
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        history: list[Mapping[str, float]] = [*fit(trainer)]
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    losses = [record["loss"] for record in history if "loss" in record]
    return Taken(step=clock.taken.step, peak=peak, losses=losses)


def _examples(rows: int, tokens: int, vocabulary: int) -> list[dict[str, Tensor]]:
    """Draw texts of one length; speed does not depend on the tokens."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, vocabulary, (rows, tokens), generator=generator)
    return [{"input_ids": row, "attention_mask": torch.ones_like(row), "labels": row} for row in ids]
