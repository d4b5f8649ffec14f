"""What several commands share: options, and how they speak beside their output."""

import sys
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def say(text: str) -> None:
    """A line on standard error, which no program reads."""
    print(text, file=sys.stderr)  # noqa: T201 -- the one place that does


def plain(text: object) -> str:
    """A text in one line."""
    return " ".join(str(text).split())


def warn_of_mixture(folder: Path) -> None:
    """Of a run's folder, or of one in it."""
    from shortstack.pipeline.provenance import mixture

    found = mixture(folder) or mixture(folder.resolve().parent)
    if found:
        say(f"warning: {found}")
