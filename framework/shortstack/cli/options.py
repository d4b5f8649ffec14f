"""Options shared by several commands, and messages beside their output."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from shortstack.terminal_text import visible, visible_json

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def say(text: str) -> None:
    """A line on standard error, which no program reads."""
    print(visible(text, lines=True), file=sys.stderr)  # noqa: T201 -- the one place that does


def echo(text: object) -> None:
    """Lines on standard output, for people."""
    typer.echo(visible(text, lines=True))


def echo_json(value: object) -> None:
    """JSON on standard output, for programs: exact, and nothing in it reaches a terminal as a command."""
    typer.echo(visible_json(json.dumps(value, indent=2, ensure_ascii=False)))


def cell(text: object) -> str:
    """A text for a table of rich, as it is: neither markup nor a command to the terminal."""
    return escape(visible(text))


def plain(text: object) -> str:
    """Return a text in one line, with single spaces."""
    return " ".join(str(text).split())


def warn_of_mixture(folder: Path) -> None:
    """Warn if a run's folder, or the run that holds the folder, mixes results of different settings."""
    from shortstack.pipeline.provenance import mixture

    warning = mixture(folder) or mixture(folder.resolve().parent)
    if warning:
        say(f"warning: {warning}")
