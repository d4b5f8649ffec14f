"""Other selections of layers, distilled like a run's own: ``python -m benchmarks.choices RUN``.

Each is a run of its own beside ``RUN``, from the same teacher; a table in Markdown is printed in the end.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs
import torch
from rich.console import Console

from shortstack import CompactStudentModel, RecommendationEvaluator, Run
from shortstack.data.sequences import Sequences, SplitName
from shortstack.evaluation.evaluation import Evaluation, compare_all
from shortstack.evaluation.rankers import ModelRanker
from shortstack.files import read_json
from shortstack.progress import ToConsole

CHOICES = ("first", "last", "uniform", "random-0", "random-1", "random-2")
METRICS = ("ndcg@10", "loss")


def main() -> None:
    """Run each selection that is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run whose task is next-item")
    parser.add_argument("--choices", nargs="+", default=CHOICES, help="strategies, those at random with their seed")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    folders = {"the run's own": arguments.run}
    for choice in arguments.choices:
        console.print(choice)
        folders[choice] = arguments.run.with_name(f"{arguments.run.name}-{choice}")
        _distil(arguments.run, folders[choice], choice, console)
    print(table(folders))


def _distil(own: Path, folder: Path, choice: str, console: Console) -> None:
    """Execute the run with another selection, and nothing else changed."""
    if not folder.exists():
        # copied under another name and renamed, so that a kill leaves no incomplete folder
        copied = folder.with_name(f"{folder.name}.copied")
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(own, copied)
        copied.rename(folder)
    strategy, _, seed = choice.partition("-")
    run = Run.of_folder(own)
    selection = attrs.evolve(run.selection, strategy=strategy, settings={"seed": int(seed)} if seed else {})
    evaluation = attrs.evolve(run.evaluation, scratch=False)
    attrs.evolve(run, selection=selection, evaluation=evaluation).execute(folder, progress=ToConsole(console))


def table(folders: dict[str, Path]) -> str:
    """Return a Markdown table of each selection's student, and its paired difference from the first, over users."""
    first = next(iter(folders))
    lines = [
        "| choice | layers | validation NDCG@10 | less the first | test NDCG@10 | less the first | test loss | less the first |",
        "|---" * 8 + "|",
    ]
    evaluations = {
        name: {split: evaluated(run, "student", split) for split in ("valid", "test")} for name, run in folders.items()
    }
    for choice, ours in evaluations.items():
        kept = read_json(folders[choice] / "selection" / "selection.json")["kept"]
        cells = [choice, ", ".join(map(str, kept))]
        for split, metric in (("valid", "ndcg@10"), ("test", "ndcg@10"), ("test", "loss")):
            form = ".3f" if metric == "loss" else ".4f"
            cells.append(_estimate(ours[split].metrics[metric], ours[split].intervals[metric], form))
            value, *ends = compare_all(ours[split], evaluations[first][split], METRICS)[metric].difference or (None,)
            cells.append("" if choice == first else _estimate(value, ends, f"+{form}"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def evaluated(run: Path, folder: str, split: SplitName) -> Evaluation:
    """Evaluate one of a run's models on the cases of a split."""
    stored = CompactStudentModel.from_pretrained(run / folder)
    ranker = ModelRanker(
        model=stored.model,
        candidates=torch.tensor(stored.catalogue.tokens),
        window=stored.window,
        opening=stored.catalogue.opening,
    )
    return RecommendationEvaluator(seed=0).evaluate(
        ranker, Sequences.load(run / "data" / "sequences.safetensors").cases(split)
    )


def _estimate(value: float | None, ends: Sequence[float] | None, form: str) -> str:
    return f"{value:{form}} [{ends[0]:{form}}, {ends[1]:{form}}]" if ends else "undefined"


if __name__ == "__main__":
    main()
