"""Estimates of ``shortstack plan`` beside a run's actual times: ``python -m benchmarks.forecast RUN``."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shortstack import Run
from shortstack.result import RunResult


def main() -> None:
    """Compare them; on the machine of the run, while it is as idle as it was then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run
    run, result = Run.of_folder(folder), RunResult.load(folder)
    stages = run.forecast(run.teacher_config())
    taken = result.cost["seconds"]
    table = Table("stage", "estimated", "taken", "ratio")
    for stage in stages:
        table.add_row(
            stage.stage,
            f"{stage.seconds:.1f} s",
            f"{taken[stage.stage]:.1f} s",
            f"{stage.seconds / taken[stage.stage]:.2f}",
        )
    estimated, whole = sum(stage.seconds for stage in stages), sum(taken[stage.stage] for stage in stages)
    table.add_row("all of these", f"{estimated:.1f} s", f"{whole:.1f} s", f"{estimated / whole:.2f}")
    Console().print(table)
    peak = max(stage.memory_bytes for stage in stages)
    print(
        f"memory: {peak / 2**30:.2f} GiB of tensors estimated, {result.cost['peak_memory_bytes'] / 2**30:.2f} GiB the process's peak"
    )


if __name__ == "__main__":
    main()
