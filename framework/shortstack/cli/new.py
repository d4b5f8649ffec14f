"""``shortstack new``: a plugin of your own to start from."""

from pathlib import Path
from typing import Annotated

import typer

from shortstack.cli.completion import plugin_kind
from shortstack.cli.kinds import kind_named
from shortstack.cli.options import echo
from shortstack.registry import KINDS


def new(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.", autocompletion=plugin_kind)],
    name: Annotated[str, typer.Argument(help="The component's name: lower-case words joined by '-'.")],
    folder: Annotated[Path | None, typer.Option(help="A new or empty folder; shortstack-NAME by default.")] = None,
) -> None:
    """Write a new plugin: a distribution with a working component, its tests and its CI.

    Example:
        shortstack new scorer my-scorer
    """
    from shortstack.scaffold import new_plugin

    echo(new_plugin(kind_named(kind), name, folder).next_steps)
