"""``shortstack plugins``: the installed plugins, and the broken ones."""

import traceback
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.exit_codes import ExitCode
from shortstack.cli.options import Json, cell, echo_json, plain, say
from shortstack.registry import Registry


def plugins(
    context: typer.Context,
    as_json: Json = False,
    strict: Annotated[bool, typer.Option(help="Exit with code 1 if any plugin is broken.")] = False,
) -> None:
    """List the installed plugins, the broken ones too.

    Example:
        shortstack plugins --strict
    """
    registry = Registry.from_environment()
    if as_json:
        echo_json(_plugins_json(registry))
    else:
        table = Table("plugin", "version", "offers")
        for origin in registry.origins:
            offered = [f"{c.kind} {c.descriptor.name}" for c in registry.components if c.origin == origin]
            table.add_row(origin.id, origin.version, ", ".join(offered) or "nothing")
        for failure in registry.failures:
            table.add_row(failure.origin.id, failure.origin.version, f"[red]broken[/red]: {cell(plain(failure))}")
        for origin, text in registry.printed.items():
            table.add_row(origin.id, origin.version, f"[yellow]prints[/yellow]: {cell(plain(text))}")
        Console().print(table)
    if context.find_root().obj.traceback:
        for failure in registry.failures:
            say("".join(traceback.format_exception(failure.error)))
    if strict and registry.failures:
        raise typer.Exit(ExitCode.FAILED)


def _plugins_json(registry: Registry) -> dict[str, Any]:
    return {
        "plugins": [
            {
                "plugin": origin.id,
                "version": origin.version,
                "offers": [c.full_name for c in registry.components if c.origin == origin],
            }
            for origin in registry.origins
        ],
        "failures": [
            {"plugin": f.origin.id, "version": f.origin.version, "stage": f.stage, "error": plain(f)}
            for f in registry.failures
        ],
        "printed": [
            {"plugin": origin.id, "version": origin.version, "text": text} for origin, text in registry.printed.items()
        ],
    }
