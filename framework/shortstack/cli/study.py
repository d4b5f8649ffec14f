"""``shortstack study``: many runs, whose equal stages are done once, and one table."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from shortstack.cli.common_options import progress_console
from shortstack.cli.exit_codes import ExitCode
from shortstack.cli.options import Json, cell, echo, echo_json
from shortstack.cli.study_report import write_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shortstack.studies.estimates import Estimates
    from shortstack.studies.planned import Shared
    from shortstack.studies.result import StudyResult
    from shortstack.studies.study import Study


def study(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="The study's TOML file, for example examples/studies/ratios.toml.")],
    out: Annotated[Path, typer.Option(help="The folder for results; the same folder resumes.")],
    base: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A run's TOML file in place of the study's base, for example your own."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the runs, the stages that they share, and what these take; do nothing."),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stages at a time, each in a process with its share of threads and GPUs; by default one."
        ),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Do the stages on a Ray cluster; 'local' starts one here.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do more than 1,000 runs.")] = False,
) -> None:
    """Do many runs over one base, equal stages once; then write their table, a report, a paper and supplementary.zip.

    Example:
        shortstack study examples/studies/ratios.toml --out studies/ratios
    """
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import ToConsole
    from shortstack.studies.study import Study

    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    described = Study.from_toml(config, base=base)
    if dry_run:
        _show_plan(progress_console(context, stderr=True), described, described.plan(large=yes))
        return
    result = described.execute(out, progress=ToConsole(progress_console(context)), large=yes, jobs=jobs, ray=ray)
    _show_result(Console(), result)
    write_outputs(result, paper=True)
    if result.failed:
        raise typer.Exit(ExitCode.FAILED)


def study_status(
    folder: Annotated[Path, typer.Argument(help="The study's folder.")],
    as_json: Json = False,
) -> None:
    """Show how far a study is, and the results of its finished runs.

    Example:
        shortstack study-status studies/ratios
    """
    from shortstack.studies.result import StudyResult

    result = StudyResult.load(folder)
    if as_json:
        echo_json([{"run": run.name, "status": run.status, "error": run.error or None} for run in result.outcomes])
    else:
        _show_result(Console(), result)


def _show_plan(waiting: Console, study: "Study", stages: "Sequence[Shared]") -> None:
    from shortstack.registry import Registry
    from shortstack.studies.estimates import estimates

    with waiting.status("reading the data, and timing a few layers"):  # shown in a terminal only
        estimated = estimates(study.members, stages, Registry.from_environment())
    for name in study.members:
        echo(name)
    Console().print(_stages_table(stages, estimated))
    alone = sum(len(stage.runs) for stage in stages)
    echo(f"{len(study.members)} runs: at most {len(stages)} stages, where separate runs would do {alone}")
    for line in _in_total(stages, estimated):
        echo(line)


def _stages_table(stages: "Sequence[Shared]", estimated: "Estimates") -> Table:
    from shortstack.planning.formatting import formatted_time

    table = Table(title="stages, each done once for its runs", title_justify="left", title_style="dim", box=SIMPLE_HEAD)
    for name in ("stage", "key", "runs", "time", "disk", "which"):
        table.add_column(name, justify="right" if name in {"runs", "time", "disk"} else "left", no_wrap=True)
    for stage in sorted(stages, key=lambda stage: -len(stage.runs)):
        which = f"{stage.runs[0]}{', …' if len(stage.runs) > 1 else ''}"
        seconds, size = estimated.seconds.get(stage.key), estimated.disk_bytes.get(stage.key, 0)
        time, disk = "" if seconds is None else formatted_time(seconds), _megabytes(size) if size else ""
        table.add_row(stage.stage, stage.key[:8], str(len(stage.runs)), time, disk, cell(which))
    return table


def _in_total(stages: "Sequence[Shared]", estimated: "Estimates") -> "Iterator[str]":
    """Yield what all stages take together, and what the sums leave out."""
    from shortstack.planning.formatting import formatted_time

    if estimated.seconds:
        time, size = sum(estimated.seconds.values()), sum(estimated.disk_bytes.values())
        timed = {stage.stage for stage in stages if stage.key in estimated.seconds}
        others = dict.fromkeys(stage.stage for stage in stages if stage.stage not in timed)
        yield f"estimated on this machine, in turn: {formatted_time(time)}, and {_megabytes(size)} on the disk, if nothing is finished yet"
        yield f"not counted: the time of {', '.join([*others, 'the reports'])}, and of reading and bootstrapping"
    if estimated.unknown:
        yield f"not known for some runs, such as {estimated.unknown}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _show_result(console: Console, result: "StudyResult") -> None:
    from shortstack.studies.table import study_table

    console.print(study_table(result))
    counts = Counter(run.status for run in result.outcomes)
    echo(", ".join(f"{number} {status}" for status, number in counts.items()))
    for name, error in result.failed.items():
        echo(f"{name} failed: {error}")
