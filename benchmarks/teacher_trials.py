"""Ablations of a language-model teacher: short trainings of SmolLM2-135M on MovieLens 100K, one setting changed at a time.

    python -m benchmarks.teacher_trials --data FOLDER opening no-opening

Each is 80 steps of 16 windows; loss and NDCG@10 are of every third user's validation film, ranked among all.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import torch
from transformers import PreTrainedModel

from benchmarks.smollm2 import converted
from shortstack import RecommendationEvaluator, Run
from shortstack.config.training import FitSettings
from shortstack.data.catalogue import Catalogue
from shortstack.data.sequences import Sequences
from shortstack.distillation.callbacks import RowsLearnFaster
from shortstack.distillation.fitting import fit, history, training_arguments
from shortstack.distillation.trainer import DistillationTrainer
from shortstack.evaluation.rankers import ModelRanker
from shortstack.models.item_tokens import Start, add_item_tokens
from shortstack.models.language_models import language_model
from shortstack.models.verbalizer import opening_of
from shortstack.run_layout import SEQUENCES
from shortstack.tasks import collate, task_of

EXAMPLE = Path(__file__).parents[1] / "examples" / "smollm2-movielens.toml"
STEPS, BATCH = 80, 16


@attrs.frozen(kw_only=True)
class Trial:
    """The settings of a trial.

    Attributes:
        opening: The text before every history.
        learning_rate: Learning rate of the body.
        item_rows_rate: Learning rate of the films' rows, as a multiple of the body's.
        layers: Number of the model's first layers that are used.
        start: Initialisation of the films' rows.
    """

    opening: str = "<|endoftext|>Films that one person saw, in order:"
    learning_rate: float = 1e-4
    item_rows_rate: float = 10.0
    layers: int = 30
    start: Start = "text"


TRIALS: Mapping[str, Trial] = {
    "opening": Trial(),
    "no-opening": Trial(opening=""),
    "fast-rows": Trial(opening="<|endoftext|>", start="spread", item_rows_rate=50.0),
    "slow-body": Trial(opening="<|endoftext|>", learning_rate=3e-5, item_rows_rate=100.0),
    "fivefold": Trial(learning_rate=5e-4),
    "eight-layers": Trial(opening="", layers=8, learning_rate=5e-4),
}


def main() -> None:
    """Run the named trials, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", default=list(TRIALS), choices=list(TRIALS))
    parser.add_argument("--data", required=True, help="the folder ml-100k")
    arguments = parser.parse_args()
    run = Run.from_toml(EXAMPLE, [f"data.source={arguments.data}"])
    with tempfile.TemporaryDirectory() as folder:
        run.prepare(folder)
        for name in arguments.trials:
            print(name, _tried(run, Path(folder), TRIALS[name]), flush=True)


def _tried(run: Run, folder: Path, trial: Trial) -> dict[str, Any]:
    """Train, and return the loss of the last ten steps, the validation loss and NDCG@10, and the seconds."""
    torch.manual_seed(run.seed)
    catalogue, sequences = Catalogue.load(folder / "data"), Sequences.load(folder / "data" / SEQUENCES)
    model, tokenizer = language_model(str(converted()))
    opening = opening_of(tokenizer, trial.opening)
    tokens = add_item_tokens(model, tokenizer, [item.title for item in catalogue.items], start=trial.start)
    _cut(model, trial.layers)
    items = [attrs.evolve(item, token=token) for item, token in zip(catalogue.items, tokens, strict=True)]
    task, candidates = task_of(run.task), torch.tensor(tokens)
    settings = FitSettings(
        steps=STEPS,
        batch_size=BATCH,
        learning_rate=trial.learning_rate,
        warmup_steps=10,
        precision="fastest",
        evaluate_every=STEPS,
        patience=0,
    )
    arguments = training_arguments(folder / "checkpoints", settings, seed=run.seed, device="cpu", validated=False)
    arguments.save_strategy = "no"
    examples = task.training_examples(sequences, Catalogue(items=items, opening=opening))
    faster = RowsLearnFaster([model.get_input_embeddings().weight], candidates, trial.item_rows_rate)
    start = perf_counter()
    trainer = DistillationTrainer(
        model,
        arguments,
        examples,
        losses={"labels": 1.0},
        balancing="fixed",
        candidates=candidates,
        data_collator=collate,
        callbacks=[faster],
    )
    fit(trainer)
    ranker = ModelRanker(model=model, candidates=candidates, window=task.window, opening=opening, batch_size=32)
    cases = sequences.cases("valid")
    third = attrs.evolve(cases, **{name: getattr(cases, name)[::3] for name in ("users", "targets", "starts", "stops")})
    metrics = RecommendationEvaluator(cutoffs=(10,), protocol="full").evaluate(ranker, third).metrics
    return {
        "training loss": round(history(trainer.state.log_history)[-1]["loss"], 3),
        "validation loss": round(metrics["loss"] or 0.0, 3),
        "ndcg@10": round(metrics["ndcg@10"] or 0.0, 4),
        "seconds": round(perf_counter() - start),
    }


def _cut(model: PreTrainedModel, layers: int) -> None:
    """Keep the first layers alone."""
    model.model.layers = model.model.layers[:layers]
    model.config.num_hidden_layers = layers


if __name__ == "__main__":
    main()
