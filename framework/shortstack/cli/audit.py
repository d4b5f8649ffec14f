"""``shortstack audit``: how well the scorers of a run predicted the loss of removing layers."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shortstack.cli.common_options import progress_console
from shortstack.cli.options import Json, echo_json, warn_of_mixture
from shortstack.cli.processes import Processes, is_launched, together
from shortstack.config.resolve import no_imports_by_name
from shortstack.terminal_text import visible


def audit(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    as_json: Json = False,
    imports: Annotated[
        bool,
        typer.Option("--imports", help="Import what its settings name as module:attribute; for a run that you trust."),
    ] = False,
    processes: Processes = 1,
) -> None:
    """Audit a run's scorers: how far do they agree with the oracle, and what does the choice of each cost?

    Example:
        shortstack audit runs/quickstart
    """
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import Silent, ToConsole
    from shortstack.report import audit_table
    from shortstack.run import Run

    if is_launched(processes, context.find_root().obj.arguments):
        return
    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    console = Console()
    with together() as world, nullcontext() if imports else no_imports_by_name():
        if world.is_first:
            warn_of_mixture(folder)
        result = Run.of_folder(folder).audit(
            folder, progress=Silent() if as_json else ToConsole(progress_console(context))
        )
    if not world.is_first:
        return
    if as_json:
        echo_json(result.audit)
        return
    console.print(audit_table(result))
    console.print(
        visible(f"report: {folder / 'report.html'}", lines=True), highlight=False, markup=False, soft_wrap=True
    )
