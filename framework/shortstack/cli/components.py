"""``shortstack plugins``, ``list``, ``show``, ``new`` and ``check``: what there is to choose from, and to write."""

import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shortstack.cli.built_ins import CHOICES, BuiltIn, built_in, built_ins
from shortstack.cli.options import Json, plain, say
from shortstack.config.reader import describe_settings, overridden
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import KINDS, Component, Kind, Registry

app = typer.Typer()


@app.command()
def plugins(
    as_json: Json = False,
    with_traceback: Annotated[bool, typer.Option("--traceback", help="Show where broken plugins failed.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit with code 1 if any plugin is broken.")] = False,
) -> None:
    """List the installed plugins, the broken ones too."""
    registry = Registry.from_environment()
    if as_json:
        typer.echo(json.dumps(_plugins_json(registry), indent=2))
    else:
        table = Table("plugin", "version", "offers")
        for origin in registry.origins:
            offered = [f"{c.kind} {c.descriptor.name}" for c in registry.components if c.origin == origin]
            table.add_row(origin.id, origin.version, ", ".join(offered) or "nothing")
        for failure in registry.failures:
            table.add_row(failure.origin.id, failure.origin.version, f"[red]broken[/red]: {escape(plain(failure))}")
        for origin, text in registry.printed.items():
            table.add_row(origin.id, origin.version, f"[yellow]prints[/yellow]: {escape(plain(text))}")
        Console().print(table)
    if with_traceback:
        for failure in registry.failures:
            typer.echo("".join(traceback.format_exception(failure.error)), err=True)
    if strict and registry.failures:
        raise typer.Exit(1)


@app.command("list")
def list_components(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join((*KINDS, *CHOICES))}.")],
    as_json: Json = False,
) -> None:
    """List the components of a kind."""
    if _is_choice(kind):
        _list_built_ins(_singular(kind), as_json=as_json)
        return
    registry = Registry.from_environment()
    chosen = [c for c in registry.components if c.kind == _kind(kind)]
    if as_json:
        typer.echo(json.dumps([_component_json(c) for c in chosen], indent=2))
        return
    table = Table("name", "summary", "from")
    for component in chosen:
        table.add_row(component.descriptor.name, escape(component.descriptor.summary), str(component.origin))
    Console().print(table)
    for failure in registry.failures:
        say(plain(f"a plugin is out of use and may have offered more: {failure}"))


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join((*KINDS, *CHOICES))}.")],
    name: Annotated[str, typer.Argument(help="A component's short or full name.")],
    as_json: Json = False,
) -> None:
    """Show one component: what it is, its settings and their defaults, and what it promises."""
    if _is_choice(kind):
        _show_built_in(built_in(_singular(kind), name), as_json=as_json)
        return
    component = Registry.from_environment().find(_kind(kind), name)
    if as_json:
        typer.echo(json.dumps(_component_json(component), indent=2))
        return
    console, descriptor = Console(), component.descriptor
    console.print(f"[bold]{component.full_name}[/bold] ({component.kind}, {component.origin})", highlight=False)
    console.print(descriptor.summary, highlight=False, markup=False)
    if descriptor.reference:
        console.print(f"Source: {descriptor.reference}", highlight=False, markup=False)
    console.print(_settings_table(describe_settings(descriptor.config)))
    console.print(_promises_table(_traits(component)))


def _settings_table(settings: Sequence[Mapping[str, str]]) -> Table | str:
    table = Table("setting", "takes", "default", "meaning")
    for setting in settings:
        table.add_row(*(escape(setting[key]) for key in ("name", "type", "default", "meaning")))
    return table if table.row_count else "It has no settings."


def _promises_table(promises: Mapping[str, Any]) -> Table:
    table = Table("promises", "value")
    for trait, value in promises.items():
        table.add_row(trait, escape(str(value)))
    return table


def _list_built_ins(kind: str, *, as_json: bool) -> None:
    found = built_ins(kind)
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=2, ensure_ascii=False))
        return
    table = Table("name", "summary", "used in")
    for one in found:
        table.add_row(escape(one.name), escape(one.summary), one.used_in)
    Console().print(table)


def _show_built_in(one: BuiltIn, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(one.to_json(), indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(f"[bold]{escape(one.name)}[/bold] ({one.kind}, in {one.used_in})", highlight=False)
    console.print(one.summary, highlight=False, markup=False)
    console.print(_settings_table(one.settings))
    if one.promises:
        console.print(_promises_table(one.promises))


def _singular(text: str) -> str:
    """``strategies`` is ``strategy``."""
    return next((kind for kind in CHOICES if text in {kind, f"{kind}s", f"{kind[:-1]}ies"}), text)


def _is_choice(text: str) -> bool:
    return _singular(text) in CHOICES


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="The component's name: lower-case words joined by '-'.")],
    folder: Annotated[Path | None, typer.Option(help="A new or empty folder; shortstack-NAME by default.")] = None,
) -> None:
    """Write a new plugin: a distribution with a working component, its tests and its CI."""
    from shortstack.scaffold import new_plugin

    typer.echo(new_plugin(_kind(kind), name, folder).next_steps)


@app.command()
def check(  # noqa: PLR0917 -- typer makes options of them
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}, strategy.")],
    name: Annotated[str, typer.Argument(help="A component's short or full name, or module:attribute.")],
    law: Annotated[list[str] | None, typer.Option(help="Try this law alone. May be repeated.")] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="How many examples to draw for each law; by default the law's own number, mostly 20."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other examples.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One of its settings: setting=value (or none). May be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a component against every law that its traits promise; exit code 1 if one is broken."""
    from shortstack.testing import check as check_component
    from shortstack.testing.outcomes import by_cause

    if not as_json and kind != "strategy" and ":" not in name:
        _say_which(_kind(kind), name)
    outcomes = check_component(
        name,
        kind if kind == "strategy" else _kind(kind),
        settings=overridden({}, settings or ()),
        laws=law or (),
        examples=examples,
        seed=seed,
        tell=None if as_json else typer.echo,
    )
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if as_json:
        typer.echo(json.dumps([attrs.asdict(outcome) for outcome in outcomes], indent=2))
    else:
        for group in by_cause(failed):
            typer.echo(f"\n{group[0].failure}")
            if len(group) > 1:
                typer.echo(f"the same cause breaks {', '.join(outcome.law for outcome in group[1:])}")
        promised = [outcome for outcome in outcomes if outcome.status != "not-promised"]
        typer.echo(f"\n{len(promised) - len(failed)} of {len(promised)} laws hold")
        if not promised:
            raise ConfigurationError(f"nothing was tried: {kind} {name!r} does not promise {', '.join(law or ())}")
    if failed:
        raise typer.Exit(1)


def _say_which(kind: Kind, name: str) -> None:
    """The component that a name means, and who else offers one of that name."""
    registry = Registry.from_environment()
    chosen = registry.find(kind, name)
    typer.echo(str(chosen))
    others = [c for c in registry.components if c.kind == kind and name in c.names and c is not chosen]
    if others:
        typer.echo(f"beside {', '.join(c.full_name for c in others)}, which only the full name means")


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if text in {kind, f"{kind}s"}:
            return kind
    raise UnknownNameError("kind of component", text, (*KINDS, *CHOICES))


def _component_json(component: Component) -> dict[str, Any]:
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
