"""``shortstack run``: data becomes a student."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from shortstack.terminal_text import visible

if TYPE_CHECKING:
    from shortstack.result import RunResult


def run(
    config: Annotated[Path, typer.Argument(help="The run's TOML file, for example examples/quickstart.toml.")],
    out: Annotated[Path, typer.Option(help="The folder for results; the same folder resumes.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: table.setting=value (or none). May be repeated."),
    ] = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="Do the data stage alone.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep a result of other settings that is there already, as OUT@KEY.")
    ] = False,
) -> None:
    """Do a run: data, teacher, importance, selection, student, distillation, evaluation, report."""
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import ToConsole
    from shortstack.run import Run

    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    console, described = Console(), Run.from_toml(config, overrides or ())
    if prepare:
        described.prepare(out, progress=ToConsole(console))
    else:
        _show_result(console, described.execute(out, progress=ToConsole(console), keep=keep), out)


def _show_result(console: Console, result: "RunResult", out: Path) -> None:
    from shortstack.report import speed_table, terminal_table

    console.print(terminal_table(result))
    if result.cost.get("speed"):
        console.print(speed_table(result))
    console.print(visible(result.verdict, lines=True), highlight=False, markup=False, soft_wrap=True)
    console.print(visible(f"report: {out / 'report.html'}", lines=True), highlight=False, markup=False, soft_wrap=True)
