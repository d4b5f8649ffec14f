"""Removing layers with and without repair: the quickstart's recommender before and after distillation, and SmolLM2-135M.

python -m benchmarks.repair
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from transformers import AutoModelForCausalLM

from benchmarks.pruned_smollm2 import CALIBRATION, HELD_OUT, perplexity, texts
from benchmarks.smollm2 import ROOT, converted
from shortstack import AdaptiveLayerSelector, Budget, Run, build_student, measure_importance
from shortstack.progress import ToConsole
from shortstack.result import RunResult

REPAIRS = (None, "magnitude", "linear")
LAYERS_OF_RECOMMENDER, LAYERS_OF_LANGUAGE_MODEL = (6, 3), (27, 24, 15)
WAYS = (("contiguous", "block-influence"), ("strategic", "drop-loss"))


def main() -> None:
    """Measure both, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where the quickstart's folder is, or will be")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "repair.md")
    arguments = parser.parse_args()
    console = Console()
    rows = list(language_model(console))
    results = dict(recommender(arguments.runs, console))
    arguments.out.write_text(page(results, rows), encoding="utf-8")


def recommender(runs: Path, console: Console) -> Iterator[tuple[tuple[int, str], RunResult]]:
    """Yield runs of the quickstart's teacher, pruned to some layers with each repair, and distilled as in the quickstart."""
    config, teacher = ROOT / "examples" / "quickstart.toml", runs / "quickstart"
    progress = ToConsole(console)
    Run.from_toml(config, ["evaluation.scratch=false"]).execute(teacher, progress=progress)
    for layers in LAYERS_OF_RECOMMENDER:
        for repair in REPAIRS:
            folder = runs / f"repair-{layers}-{repair or 'none'}"
            if not folder.exists():
                # stages before the selection have the same keys, so they are not done again
                shutil.copytree(teacher, folder)
            budget = ["selection.keep_ratio=none", f"selection.keep_layers={layers}", "evaluation.scratch=false"]
            run = Run.from_toml(config, [*budget, f"student.settings.repair={repair or 'none'}"])
            yield (layers, repair or "none"), run.execute(folder, progress=progress)


def language_model(console: Console) -> Iterator[dict[str, object]]:
    """Yield perplexities on held-out text, before any training."""
    folder = converted()
    teacher = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    batches, held_out = list(texts(folder, CALIBRATION, 12)), list(texts(folder, HELD_OUT))
    scores = measure_importance(teacher, list(texts(folder, CALIBRATION, 2)), [scorer for _, scorer in WAYS])
    yield {"way": "all layers", "layers": 30, "none": perplexity(teacher, held_out)}
    for strategy, scorer in WAYS:
        for layers in LAYERS_OF_LANGUAGE_MODEL:
            kept = AdaptiveLayerSelector(strategy, Budget(keep_layers=layers)).select(scores[scorer])
            row: dict[str, object] = {"way": f"{strategy} by {scorer}", "layers": layers}
            for repair in REPAIRS:
                student = build_student(teacher, kept, settings={"repair": repair}, calibration=batches)
                row[repair or "none"] = perplexity(student, held_out)
            console.print(json.dumps(row), highlight=False)
            yield row


def page(results: dict[tuple[int, str], RunResult], rows: list[dict[str, object]]) -> str:
    """Return the page with both tables."""
    teacher = next(iter(results.values()))
    head = [
        "# Repairing what removed layers break",
        "",
        f"`python -m benchmarks.repair`, cpu, torch {torch.__version__}. `repair` is a setting of `layer-subset`.",
        "",
        "## The quickstart's recommender",
        "",
        (
            f"Test users, whole catalogue; 95 % intervals over users, ratios paired. The teacher has NDCG@10 "
            f"{teacher.metrics['teacher']['ndcg@10']:.4f} and loss {teacher.metrics['teacher']['loss']:.3f}."
        ),
        "",
        "| layers | repair | loss before | NDCG@10 before | share of the teacher's | loss after | NDCG@10 after | share of the teacher's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    recommenders = [
        f"| {layers} of 12 | {repair} | {_cells(result, 'pruned')} | {_cells(result, 'student')} |"
        for (layers, repair), result in results.items()
    ]
    language = [
        "",
        "## SmolLM2-135M",
        "",
        (
            f"Perplexity of the next token on the descriptions of {', '.join(HELD_OUT)}, before any training; calibrated on those of "
            f"{', '.join(CALIBRATION)}. **The weights are rounded to 4 bits** (see `benchmarks/smollm2.py`), so these figures do not "
            "compare with published ones."
        ),
        "",
        "| layers chosen | layers | none | magnitude | linear |",
        "|---|---|---|---|---|",
        *(
            f"| {row['way']} | {row['layers']} | {' | '.join(_number(row.get(name or 'none')) for name in REPAIRS)} |"
            for row in rows
        ),
        "",
    ]
    return "\n".join([*head, *recommenders, *language])


def _number(value: object) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else ""


def _cells(result: RunResult, method: str) -> str:
    metrics, (low, high) = result.metrics[method], result.intervals[method]["ndcg@10"] or (0.0, 0.0)
    share = result.comparisons[f"{method}/teacher"]["ndcg@10"] or (0.0, 0.0, 0.0)
    return (
        f"{metrics['loss']:.3f} | {metrics['ndcg@10']:.4f} [{low:.4f}, {high:.4f}] "
        f"| {share[0]:.1%} [{share[1]:.1%}, {share[2]:.1%}]"
    )


if __name__ == "__main__":
    main()
