"""``shortstack audit``: how well the scorers of a run predicted the loss of removing layers."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shortstack.cli.options import Json, echo_json, warn_of_mixture
from shortstack.terminal_text import visible


def audit(
    folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    as_json: Json = False,
) -> None:
    """Audit a run's scorers: how far do they agree with the oracle, and what does the choice of each cost?"""
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import Silent, ToConsole
    from shortstack.report import audit_table
    from shortstack.run import Run

    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    console = Console()
    warn_of_mixture(folder)
    result = Run.of_folder(folder).audit(folder, progress=Silent() if as_json else ToConsole(console))
    if as_json:
        echo_json(result.audit)
        return
    console.print(audit_table(result))
    console.print(
        visible(f"report: {folder / 'report.html'}", lines=True), highlight=False, markup=False, soft_wrap=True
    )
