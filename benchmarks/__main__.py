"""``make bench``: all benchmarks in one run, as a table."""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.compiled_training import measure_compiled_training
from benchmarks.digests import measure_digests
from benchmarks.distillation import measure_distillation
from benchmarks.export import measure_export
from benchmarks.large_catalogues import measure_large_catalogues
from benchmarks.large_data import measure_large_data
from benchmarks.latency import measure_latency
from benchmarks.models import measure_models
from benchmarks.preparation import measure_preparation
from benchmarks.processes import measure_processes
from benchmarks.reading import measure_reading
from benchmarks.scale import measure_scale
from benchmarks.service import measure_service
from benchmarks.serving import measure_serving
from benchmarks.startup import measure_startup
from benchmarks.studies import measure_studies
from benchmarks.sweep import measure_sweep
from benchmarks.timing import Row
from benchmarks.training import measure_training
from shortstack.models.malloc import keep_freed_memory

PARTS: Mapping[str, Callable[[], Iterable[Row]]] = {
    "models": measure_models,
    "sweep": measure_sweep,
    "startup": measure_startup,
    "reading": measure_reading,
    "preparation": measure_preparation,
    "digests": measure_digests,
    "scale": lambda: chain(measure_large_catalogues(), measure_large_data(), measure_scale()),
    "serving": measure_serving,
    "service": measure_service,
    "export": measure_export,
    "latency": measure_latency,
    "training": measure_training,
    "compiled-training": measure_compiled_training,
    "distillation": measure_distillation,
    "processes": measure_processes,
    "studies": measure_studies,
}


def main() -> None:
    """Measure the requested parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--markdown", type=Path, help="also write them to this file, for people")
    arguments = parser.parse_args()
    keep_freed_memory()  # as runs do; peers in this process benefit as well
    rows: list[Row] = []
    for row in chain.from_iterable(measure() for name, measure in PARTS.items() if arguments.part in {name, "all"}):
        # printed at once, for a part may take long
        print(f"{row['ratio']:6.2f}  {row['what']}", file=sys.stderr, flush=True)
        rows.append(row)
    table = Table("what", "measured", "beside", "ratio", "target")
    for row in rows:
        table.add_row(row["what"], row["measured"], row["beside"], f"{row['ratio']:.2f}", row["target"])
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(arguments.part, rows), encoding="utf-8")


def markdown(part: str, rows: list[Row]) -> str:
    """Return the rows as a Markdown page."""
    cells = [f"| {r['what']} | {r['measured']} | {r['beside']} | {r['ratio']:.2f} | {r['target']} |" for r in rows]
    head = [
        f"# Speeds: {part}",
        "",
        f"`make bench PART={part}`, {platform.machine()}, {torch.get_num_threads()} threads; freed memory is kept, for both sides.",
        "",
    ]
    return "\n".join([*head, "| what | measured | beside | ratio | target |", "|---|---|---|---|---|", *cells]) + "\n"


if __name__ == "__main__":
    main()
