"""``shortstack list``: the components of a kind."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shortstack.cli.built_ins import CHOICES, built_ins
from shortstack.cli.completion import any_kind
from shortstack.cli.kinds import choice_named, kind_named
from shortstack.cli.options import Json, cell, echo_json, plain, say
from shortstack.cli.show import component_json
from shortstack.registry import KINDS, Registry


def list_components(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join((*KINDS, *CHOICES))}.", autocompletion=any_kind)],
    as_json: Json = False,
) -> None:
    """List the components of a kind.

    Example:
        shortstack list scorer
    """
    if choice_named(kind) in CHOICES:
        _list_built_ins(choice_named(kind), as_json=as_json)
        return
    registry = Registry.from_environment()
    chosen = [c for c in registry.components if c.kind == kind_named(kind)]
    if as_json:
        echo_json([component_json(c) for c in chosen])
        return
    table = Table("name", "summary", "from")
    for component in chosen:
        table.add_row(component.descriptor.name, cell(component.descriptor.summary), str(component.origin))
    Console().print(table)
    for failure in registry.failures:
        say(plain(f"a plugin is out of use and may have offered more: {failure}"))


def _list_built_ins(kind: str, *, as_json: bool) -> None:
    listed = built_ins(kind)
    if as_json:
        echo_json([one.to_json() for one in listed])
        return
    table = Table("name", "summary", "used in")
    for one in listed:
        table.add_row(cell(one.name), cell(one.summary), one.used_in)
    Console().print(table)
