"""Choices of channels: a narrower SmolLM2-135M before any training, and the quickstart's recommender, distilled.

python -m benchmarks.compact
"""

import argparse
import math
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.pruned_smollm2 import CALIBRATION, HELD_OUT, texts
from benchmarks.smollm2 import ROOT, converted
from benchmarks.workloads import Batch
from shortstack import CompactStudentModel, RecommendationEvaluator, Registry, Run, build_student, hookimpl
from shortstack.contracts import Selection, StudentDescriptor, StudentTraits
from shortstack.data.sequences import Sequences
from shortstack.evaluation.bootstrap import interval, resampled_means
from shortstack.evaluation.comparisons import compare_all
from shortstack.evaluation.evaluation import Evaluation
from shortstack.evaluation.rankers import ModelRanker
from shortstack.models.initial import initial_model
from shortstack.progress import ToConsole
from shortstack.registry import Origin
from shortstack.result import RunResult
from shortstack_students.compact import Compact, CompactSettings

SHAPE = {"hidden_size": 0.5, "key_value_heads": 0.5, "intermediate_size": 0.5}
LAYERS = 6
CHANNELS = ("activations", "magnitude", "random")
STEPS = 150
SEEDS = (0, 1, 2)
NARROWER = (
    {"intermediate_size": 0.75},
    {"intermediate_size": 0.5},
    {"key_value_heads": 2 / 3},
    {"hidden_size": 0.75},
    {"intermediate_size": 0.75, "key_value_heads": 2 / 3, "hidden_size": 0.75},
)


@attrs.frozen
class Fresh(Compact):
    """The student's shape with fresh weights: nothing from the teacher."""

    def transfer(
        self,
        teacher: PreTrainedModel,  # noqa: ARG002 -- weights come from the seed alone
        student: PreTrainedModel,
        selection: Selection,  # noqa: ARG002
        calibration: Iterable[dict[str, Tensor]],  # noqa: ARG002
    ) -> dict[str, str]:
        """Set initial weights from the settings' seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            student.load_state_dict(initial_model(student.config).state_dict())
        return {}


@hookimpl
def shortstack_students() -> Iterator[StudentDescriptor]:
    """Yield the peer, as a plugin of its own."""
    yield StudentDescriptor(
        name="fresh",
        summary="A compact student's shape with fresh weights.",
        build=Fresh,
        config=CompactSettings,
        traits=StudentTraits(whole_layers=False),
    )


def main() -> None:
    """Run each variant that is not done yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where the quickstart's folder is, or will be")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "compact.md")
    arguments = parser.parse_args()
    rows = list(language_model())
    results = dict(ways(arguments.runs, Console()))
    arguments.out.write_text(page(rows, results, dict(compared(arguments.runs, results))), encoding="utf-8")


def language_model() -> Iterator[dict[str, str]]:
    """Yield the held-out perplexity of SmolLM2-135M with all its layers, narrowed to each shape."""
    folder = converted()
    teacher = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    batches, held_out = list(texts(folder, CALIBRATION, 12)), list(texts(folder, HELD_OUT))
    everything = Selection(kept=range(30), of=30)
    yield {"shape": "whole", "activations": _perplexity(passage_losses(teacher, held_out))}
    for shape in NARROWER:
        losses = {}
        for channels in CHANNELS:
            settings = {**shape, "channels": channels}
            student = build_student(teacher, everything, architecture="compact", settings=settings, calibration=batches)
            losses[channels] = passage_losses(student, held_out)
        row = {"shape": ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in shape.items())}
        row |= {channels: _perplexity(passage_loss) for channels, passage_loss in losses.items()}
        yield row | {f"{channels}/": _ratio(losses[channels], losses["activations"]) for channels in CHANNELS[1:]}


@torch.inference_mode()
def passage_losses(model: PreTrainedModel, batches: Iterable[Batch]) -> NDArray[np.float64]:
    """Return the mean negative log-probability of the next token, float64 ``(passages,)``, by stock transformers."""
    passages = [
        {name: rows[i : i + 1] for name, rows in batch.items()}
        for batch in batches
        for i in range(len(batch["labels"]))
    ]
    return np.array([float(model(**passage).loss) for passage in passages])


def _perplexity(losses: NDArray[np.float64]) -> str:
    return f"{math.exp(losses.mean()):,.1f}"


def _ratio(losses: NDArray[np.float64], best: NDArray[np.float64]) -> str:
    """Return the ratio to the best perplexity, with a paired 95 % interval over passages."""
    difference = losses - best
    means = resampled_means(difference[:, None], np.arange(len(difference)), 1000, 0)[:, 0]
    ends = interval(means)
    if ends is None:
        raise ValueError("a loss is not a number")
    return f"{math.exp(difference.mean()):,.3g} [{math.exp(ends[0]):,.3g}, {math.exp(ends[1]):,.3g}]"


def ways(runs: Path, console: Console) -> Iterator[tuple[str, RunResult]]:
    """Yield one run per variant, all from one teacher."""
    registry = Registry.from_environment()
    origin = Origin(distribution="benchmarks", entry_point="compact", version="0")
    registry.register(sys.modules[__name__], origin)
    config, progress = ROOT / "examples" / "quickstart.toml", ToConsole(console)
    teacher = runs / "quickstart"
    Run.from_toml(config, ["evaluation.scratch=false"]).execute(teacher, progress=progress)
    named = [(channels, "compact", 0) for channels in CHANNELS]
    named += [("random", "compact", seed) for seed in SEEDS[1:]] + [("fresh", "fresh", seed) for seed in SEEDS]
    for channels, architecture, seed in named:
        folder = runs / f"compact-{channels}-{seed}"
        if not folder.exists():
            # stages before the selection have the same keys, so they are not done again
            shutil.copytree(teacher, folder)
        settings = [f"student.settings.{name}={value}" for name, value in SHAPE.items()]
        settings += [f"student.settings.channels={'random' if architecture == 'fresh' else channels}"]
        settings += [
            f"student.settings.seed={seed}",
            f"student.architecture={architecture}",
            "evaluation.scratch=false",
        ]
        settings += ["selection.keep_ratio=none", f"selection.keep_layers={LAYERS}", f"distillation.fit.steps={STEPS}"]
        run = Run.from_toml(config, settings)
        yield f"{channels}-{seed}", run.execute(folder, registry=registry, progress=progress)


def compared(runs: Path, results: dict[str, RunResult]) -> Iterator[tuple[str, str]]:
    """Yield paired differences between the first variant and each other one, before and after distillation."""
    first, *others = results
    for other in others:
        cells = []
        for folder in ("pruned", "student"):
            ours, theirs = (evaluated(runs / f"compact-{way}", folder) for way in (first, other))
            for metric, comparison in compare_all(ours, theirs, ("ndcg@10", "loss")).items():
                value, low, high = comparison.difference or (math.nan,) * 3
                cells.append(
                    f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
                    if metric == "ndcg@10"
                    else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
                )
        yield other, " | ".join(cells)


def evaluated(run: Path, folder: str) -> Evaluation:
    """Evaluate one of a run's models on its test cases."""
    stored = CompactStudentModel.from_pretrained(run / folder)
    ranker = ModelRanker(
        model=stored.model,
        candidates=torch.tensor(stored.catalogue.tokens),
        window=stored.window,
        opening=stored.catalogue.opening,
    )
    cases = Sequences.load(run / "data" / "sequences.safetensors").cases("test")
    return RecommendationEvaluator(seed=0).evaluate(ranker, cases)


def page(language: list[dict[str, str]], results: dict[str, RunResult], differences: dict[str, str]) -> str:
    """Return the page with the tables."""
    first = next(iter(results.values()))
    sizes = first.parameters
    rows = [
        f"| {name} | {_cells(result, 'pruned')} | {_cells(result, 'student')} |" for name, result in results.items()
    ]
    return "\n".join(
        [
            "# Compact students: which channels to keep",
            "",
            f"`python -m benchmarks.compact`, cpu, torch {torch.__version__}.",
            "",
            "## A language model, before any training",
            "",
            (
                "SmolLM2-135M with all 30 layers, each as narrow as said; channels chosen on descriptions of "
                f"{', '.join(CALIBRATION)}. Perplexity on passages of those of {', '.join(HELD_OUT)}, and how many times that with "
                "channels chosen by activations it is: 95 % intervals over passages, paired. **The weights are rounded to 4 bits**, so "
                f"these figures do not compare with published ones. Whole: **{language[0]['activations']}**."
            ),
            "",
            "| shape | by activations | by magnitude | at random | magnitude / activations | random / activations |",
            "|---|---|---|---|---|---|",
            *(
                f"| {row['shape']} | **{row['activations']}** | {row['magnitude']} | {row['random']} | {row['magnitude/']} | {row['random/']} |"
                for row in language[1:]
            ),
            "",
            "## A recommender, before and after distillation",
            "",
            (
                f"The quickstart's teacher of 12 layers and width 96 "
                f"(NDCG@10 {first.metrics['teacher']['ndcg@10']:.4f}, loss {first.metrics['teacher']['loss']:.3f}), {LAYERS} of its layers at half the "
                f"width, half the heads and half the neurons: {sizes['student_body']:,} of {sizes['teacher_body']:,} parameters in the body. "
                f"Each student is distilled for the same {STEPS} steps. Test users, whole catalogue; 95 % intervals over users, ratios paired."
            ),
            "",
            "| channels | loss before | NDCG@10 before | share of the teacher's | loss after | NDCG@10 after | share of the teacher's |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "What activations give less what each other way gives, paired over users; above 0 is better in NDCG@10, below 0 in loss:",
            "",
            "| against | NDCG@10 before | loss before | NDCG@10 after | loss after |",
            "|---|---|---|---|---|",
            *(f"| {name} | {cells} |" for name, cells in differences.items()),
            "",
        ]
    )


def _cells(result: RunResult, method: str) -> str:
    metrics, (low, high) = result.metrics[method], result.intervals[method]["ndcg@10"] or (0.0, 0.0)
    share = result.comparisons[f"{method}/teacher"]["ndcg@10"] or (0.0, 0.0, 0.0)
    return (
        f"{metrics['loss']:.3f} | {metrics['ndcg@10']:.4f} [{low:.4f}, {high:.4f}] "
        f"| {share[0]:.1%} [{share[1]:.1%}, {share[2]:.1%}]"
    )


if __name__ == "__main__":
    main()
