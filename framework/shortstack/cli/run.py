"""``shortstack run``: data becomes a student."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from shortstack.cli.common_options import progress_console
from shortstack.cli.processes import Processes, is_launched, together
from shortstack.errors import ConfigurationError
from shortstack.terminal_text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shortstack.result import RunResult
    from shortstack.run import Run


def run(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    config: Annotated[
        Path,
        typer.Argument(
            help="The run's TOML file, for example examples/quickstart.toml; what it names as module:attribute is imported."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder for results; the same folder resumes. Needed but for --check.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: table.setting=value, a text as it is, all else as TOML (or none). May be repeated.",
        ),
    ] = None,
    only_check: Annotated[
        bool,
        typer.Option("--check", help="Do nothing: check settings and data, list the stages, estimate time and memory."),
    ] = False,
    prepare: Annotated[bool, typer.Option("--prepare", help="Do the data stage alone.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep a result of other settings that is there already, as OUT@KEY.")
    ] = False,
    processes: Processes = 1,
) -> None:
    """Do a run: data, teacher, importance, selection, student, distillation, evaluation, report.

    Example:
        shortstack run examples/quickstart.toml --out runs/quickstart
    """
    from shortstack.run import Run

    if only_check:
        _check(context, Run.from_toml(config, overrides or ()), out, processes)
    elif out is None:
        raise ConfigurationError(
            "run writes into a folder: name it with --out FOLDER, or see what it would do with --check"
        )
    elif not is_launched(processes, context.find_root().obj.arguments):
        _do(context, config, out, overrides or (), prepare=prepare, keep=keep)


def _do(
    context: typer.Context, config: Path, out: Path, overrides: "Sequence[str]", *, prepare: bool, keep: bool
) -> None:
    """Do the run in this process, and show its result."""
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import ToConsole
    from shortstack.run import Run

    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    progress, result = ToConsole(progress_console(context)), None
    with together() as world:
        described = Run.from_toml(config, overrides)
        if prepare:
            described.prepare(out, progress=progress)
        else:
            result = described.execute(out, progress=progress, keep=keep)
    if result is not None and world.is_first:
        _show_result(Console(), result, out)


def _check(context: typer.Context, described: "Run", out: Path | None, processes: int) -> None:
    """Show what the run would do."""
    from shortstack.cli.run_outlook import show_outlook

    with progress_console(context, stderr=True).status("reading the data, and timing a few layers"):
        ahead = described.check(out, processes=processes)
    show_outlook(ahead)


def _show_result(console: Console, result: "RunResult", out: Path) -> None:
    from shortstack.report import sizes_table, speed_table, terminal_table

    console.print(terminal_table(result))
    if result.cost.get("speed"):
        console.print(speed_table(result))
    if any(result.config["evaluation"].get("compressed", {}).values()):
        console.print(sizes_table(result))
    console.print(visible(result.verdict, lines=True), highlight=False, markup=False, soft_wrap=True)
    console.print(visible(f"report: {out / 'report.html'}", lines=True), highlight=False, markup=False, soft_wrap=True)
