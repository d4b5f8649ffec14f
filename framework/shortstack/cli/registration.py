"""Registration of commands: a docstring is the help, and its example stands at the end of it."""

import inspect
from collections.abc import Callable
from typing import Final

import typer

from shortstack.cli.common_options import with_common_options

EXAMPLE: Final = "Example: "
"""Beginning of the last line of every command's help."""


def register(app: typer.Typer, command: Callable[..., None], name: str | None = None) -> None:
    """Add a command with the options of every command; its docstring ends with a section ``Example:`` of one line.

    Raises:
        ValueError: The docstring has no such section.
    """
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("\n\nExample:\n")
    if not example:
        raise ValueError(f"the docstring of the command {command.__name__} has no example")
    app.command(name, help=text, epilog=f"{EXAMPLE}{example.strip()}")(with_common_options(command))
