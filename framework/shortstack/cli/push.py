"""``shortstack push``: a model on the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from shortstack.cli.options import echo, say, student_of, warn_of_mixture


def push(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a model's.")],
    name: Annotated[str, typer.Argument(help="The repository: NAMESPACE/NAME.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be uploaded; needs no token.")] = False,
) -> None:
    """Upload a model and its card to the Hugging Face Hub.

    Example:
        shortstack push runs/quickstart NAMESPACE/NAME --dry-run
    """
    from shortstack.hub import files_to_upload, require_name, upload
    from shortstack.run_layout import CARD

    require_name(name)
    warn_of_mixture(folder)
    files = files_to_upload(student_of(folder))
    if CARD not in {path.name for path in files}:
        say(f"warning: {student_of(folder)} has no model card; start the run that made it again to have one written")
    for path in files:
        echo(f"{path.name}: {path.stat().st_size:,} bytes")
    if not dry_run:
        echo(upload(files, name, private=private))
