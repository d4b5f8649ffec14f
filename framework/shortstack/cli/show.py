"""``shortstack show``: one component, its settings and its promises."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import attrs
import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.built_ins import CHOICES, BuiltIn, built_in
from shortstack.cli.completion import any_kind, name_of_kind
from shortstack.cli.kinds import choice_named, kind_named
from shortstack.cli.options import Json, cell, echo_json
from shortstack.config.descriptions import describe_settings
from shortstack.registry import KINDS, Component, Registry
from shortstack.terminal_text import visible


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join((*KINDS, *CHOICES))}.", autocompletion=any_kind)],
    name: Annotated[str, typer.Argument(help="A component's short or full name.", autocompletion=name_of_kind)],
    as_json: Json = False,
) -> None:
    """Show one component: what it is, its settings and their defaults, and what it promises.

    Example:
        shortstack show loss soft-targets
    """
    if choice_named(kind) in CHOICES:
        _show_built_in(built_in(choice_named(kind), name), as_json=as_json)
        return
    component = Registry.from_environment().find(kind_named(kind), name)
    if as_json:
        echo_json(component_json(component))
        return
    console, descriptor = Console(), component.descriptor
    console.print(f"[bold]{component.full_name}[/bold] ({component.kind}, {component.origin})", highlight=False)
    console.print(visible(descriptor.summary, lines=True), highlight=False, markup=False)
    if descriptor.reference:
        console.print(visible(f"Source: {descriptor.reference}", lines=True), highlight=False, markup=False)
    console.print(_settings_table(describe_settings(descriptor.config)))
    console.print(_promises_table(_traits(component)))


def _settings_table(settings: Sequence[Mapping[str, str]]) -> Table | str:
    table = Table("setting", "takes", "default", "meaning")
    for setting in settings:
        table.add_row(*(cell(setting[key]) for key in ("name", "takes", "default", "meaning")))
    return table if table.row_count else "It has no settings."


def _promises_table(promises: Mapping[str, Any]) -> Table:
    table = Table("promises", "value")
    for trait, value in promises.items():
        table.add_row(trait, cell(str(value)))
    return table


def _show_built_in(one: BuiltIn, *, as_json: bool) -> None:
    if as_json:
        echo_json(one.to_json())
        return
    console = Console()
    console.print(f"[bold]{cell(one.name)}[/bold] ({one.kind}, in {one.used_in})", highlight=False)
    console.print(visible(one.summary, lines=True), highlight=False, markup=False)
    console.print(_settings_table(one.settings))
    if one.promises:
        console.print(_promises_table(one.promises))


def component_json(component: Component) -> dict[str, Any]:
    """Return a component as ``--json`` prints it."""
    descriptor = component.descriptor
    return {
        "name": descriptor.name,
        "full_name": component.full_name,
        "kind": component.kind,
        "summary": descriptor.summary,
        "reference": descriptor.reference,
        "plugin": component.origin.id,
        "version": component.origin.version,
        "settings": describe_settings(descriptor.config),
        "traits": _traits(component),
    }


def _traits(component: Component) -> dict[str, Any]:
    descriptor: Any = component.descriptor
    return attrs.asdict(descriptor.traits)
