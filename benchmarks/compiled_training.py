"""Training with compiled layers beside the same without, at the quickstart's shape: seconds a step, and those of compilation."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import attrs
import torch
from torch import Tensor
from transformers import TrainerCallback, default_data_collator

from benchmarks.models import ITEMS, quickstart_teacher
from benchmarks.timing import Row
from shortstack import build_student
from shortstack.config.training import FitSettings
from shortstack.contracts import Selection
from shortstack.distillation import compiled_layers
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments

ROWS, TOKENS = 64, 30
STEPS, FIRST, TURNS = 16, 4, 3
KEPT: Final = (0, 5, 11)
THREE: Final = {"labels": 1.0, "soft-targets": {"temperature": 2.0}, "hidden-states": 0.5}


@attrs.frozen(kw_only=True)
class Taken:
    """What a training took.

    Attributes:
        start: Seconds from the making of the trainer to the end of step ``FIRST``, compilation among them.
        step: Seconds of the quickest step after it.
    """

    start: float
    step: float


def measure_compiled_training(device: str = "cpu") -> list[Row]:
    """Measure the training of the quickstart's teacher, and the distillation of three of its layers."""
    return [
        row
        for what, distils in (("training 12 layers", False), ("distilling 12 → 3 layers", True))
        for row in _rows(what, device, distils=distils)
    ]


def _rows(what: str, device: str, *, distils: bool) -> list[Row]:
    from torch._inductor.utils import fresh_cache

    # the compiler keeps its code, and would find that of an earlier training
    with tempfile.TemporaryDirectory() as folder, fresh_cache():
        compiled_layers.require_compiler.cache_clear()
        turns = [
            {compiled: _taken(Path(folder), device, distils=distils, compiled=compiled) for compiled in (False, True)}
            for _ in range(TURNS)
        ]
    plain, compiled = (min(turn[way].step for turn in turns) for way in (False, True))
    first = turns[0]
    shape = f"width 96, batches of {ROWS} × {TOKENS} tokens"
    return [
        {
            "what": f"{what}, {shape}: a step with compile = true",
            "measured": f"{1000 * compiled:.0f} ms",
            "beside": f"without: {1000 * plain:.0f} ms",
            "ratio": plain / compiled,
            "target": "",
        },
        {
            "what": f"{what}: until {FIRST} steps are done, compilation included",
            "measured": f"{first[True].start:.0f} s",
            "beside": f"without: {first[False].start:.1f} s",
            "ratio": first[False].start / first[True].start,
            "target": "",
        },
    ]


def _taken(folder: Path, device: str, *, distils: bool, compiled: bool) -> Taken:
    teacher = quickstart_teacher()
    settings = FitSettings(
        steps=STEPS, batch_size=ROWS, warmup_steps=0, embedding_dropout=0.2, evaluate_every=STEPS, patience=0
    )
    arguments = training_arguments(folder / "checkpoints", settings, seed=0, device=device, validated=False)
    arguments.save_strategy = "no"
    distilled: Mapping[str, Any] = {
        "losses": THREE,
        "teacher": teacher,
        "selection": Selection(kept=KEPT, of=len(teacher.model.layers)),
    }
    clock = StepClock()
    trainer = DistillationTrainer(
        build_student(teacher, KEPT) if distils else teacher,
        arguments,
        padded_histories(),
        balancing="fixed",
        candidates=torch.arange(1, ITEMS + 1),
        data_collator=default_data_collator,
        embedding_dropout=settings.embedding_dropout,
        callbacks=[clock],
        compiled=compiled,
        **(distilled if distils else {"losses": {"labels": 1.0}}),
    )
    fit(trainer)
    return clock.taken


def padded_histories() -> list[dict[str, Tensor]]:
    """Draw histories of 2 to 30 items, half of them of 30, padded on the right; speed does not depend on the items."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(1, ITEMS + 1, (ROWS * STEPS, TOKENS), generator=generator)
    lengths = torch.randint(2, 2 * TOKENS, (len(rows), 1), generator=generator)
    mask = (torch.arange(TOKENS) < lengths).long()
    return [
        {"input_ids": row * real, "attention_mask": real, "labels": row.masked_fill(real == 0, -100)}
        for row, real in zip(rows, mask, strict=True)
    ]


class StepClock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Takes the time of each step, and of what comes before, from when it is made."""

    def __init__(self) -> None:
        """Start."""
        self._ends = [perf_counter()]

    def on_step_end(self, *_: object, **__: object) -> None:
        """Note the time."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._ends.append(perf_counter())

    @property
    def taken(self) -> Taken:
        """The times so far."""
        return Taken(start=self._ends[FIRST] - self._ends[0], step=self.quickest(FIRST))

    def quickest(self, first: int) -> float:
        """Return the seconds of the quickest step after so many first ones."""
        ends = self._ends
        return min(end - start for start, end in zip(ends[first:], ends[first + 1 :], strict=False))
