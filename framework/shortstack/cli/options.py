"""What several commands share: options, and how they speak beside their output."""

import sys
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def say(text: str) -> None:
    """A line on standard error, which no program reads."""
    print(text, file=sys.stderr)  # noqa: T201 -- the one place that does


def plain(text: object) -> str:
    """A text in one line."""
    return " ".join(str(text).split())
