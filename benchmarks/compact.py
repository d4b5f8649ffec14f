"""Which channels to keep: students of one shape from the quickstart's teacher, before and after the same distillation.

python -m benchmarks.compact
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import torch
from rich.console import Console
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks.smollm2 import ROOT
from shortstack import Registry, Run, hookimpl
from shortstack.contracts import Selection, StudentDescriptor, StudentTraits
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


@attrs.frozen
class Fresh(Compact):
    """The shape alone: weights as a fresh teacher's, nothing from the teacher."""

    def transfer(
        self,
        teacher: PreTrainedModel,  # noqa: ARG002 -- looks at nothing
        student: PreTrainedModel,
        selection: Selection,  # noqa: ARG002
        calibration: Iterable[dict[str, Tensor]],  # noqa: ARG002
    ) -> dict[str, str]:
        """Initial weights, from the settings' seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            student.load_state_dict(initial_model(student.config).state_dict())
        return {}


@hookimpl
def shortstack_students() -> Iterator[StudentDescriptor]:
    """The peer, as a plugin of its own."""
    yield StudentDescriptor(
        name="fresh",
        summary="A compact student's shape with fresh weights.",
        build=Fresh,
        config=CompactSettings,
        traits=StudentTraits(whole_layers=False),
    )


def main() -> None:
    """Run each way that is not done yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where the quickstart's folder is, or will be")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "compact.md")
    asked = parser.parse_args()
    results = dict(ways(asked.runs, Console()))
    asked.out.write_text(page(results), encoding="utf-8")


def ways(runs: Path, console: Console) -> Iterator[tuple[str, RunResult]]:
    """One run a way, all from one teacher."""
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
        yield f"{channels}, seed {seed}", run.execute(folder, registry=registry, progress=progress)


def page(results: dict[str, RunResult]) -> str:
    """One row a way."""
    one = next(iter(results.values()))
    sizes = one.parameters
    rows = [f"| {name} | {_cells(found, 'pruned')} | {_cells(found, 'student')} |" for name, found in results.items()]
    return "\n".join(
        [
            "# Compact students: which channels to keep",
            "",
            (
                f"`python -m benchmarks.compact`, cpu, torch {torch.__version__}. The quickstart's teacher of 12 layers and width 96 "
                f"(NDCG@10 {one.metrics['teacher']['ndcg@10']:.4f}, loss {one.metrics['teacher']['loss']:.3f}), {LAYERS} of its layers at half the "
                f"width, half the heads and half the neurons: {sizes['student_body']:,} of {sizes['teacher_body']:,} parameters in the body. "
                f"Each student is distilled for the same {STEPS} steps. Test users, whole catalogue; 95 % intervals over users, ratios paired."
            ),
            "",
            "| channels | loss before | NDCG@10 before | share of the teacher's | loss after | NDCG@10 after | share of the teacher's |",
            "|---|---|---|---|---|---|---|",
            *rows,
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
