"""Completion of names in a shell: kinds, components of plugins, built-in values and editions; none of it needs torch."""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import typer

from shortstack.cli.built_ins import CHOICES, built_ins
from shortstack.cli.kinds import choice_named, kind_named
from shortstack.cli.options import cell
from shortstack.errors import UnknownNameError
from shortstack.registry import KINDS, Component, Kind, Registry

_WIDTH: Final = 60
"""Characters of a word's help."""
Completer = Callable[[str], list[tuple[str, str]]]
"""From the beginning of a word to the words that it may become, each with its help."""


def words(*choices: str) -> Callable[[str], list[str]]:
    """Return the completion of a word that is one of a few."""
    return lambda incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def components(kind: Kind) -> Completer:
    """Return the completion of the name of a component."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        return _beginning(incomplete, _components(kind))

    return complete


def built_in_names(kind: str) -> Completer:
    """Return the completion of the name of a built-in value."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        return _beginning(incomplete, _built_ins(kind))

    return complete


def name_of_kind(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a name behind its kind; of an unknown kind nothing."""
    kind = str(context.params.get("kind"))
    if choice_named(kind) in CHOICES:
        return _beginning(incomplete, _built_ins(choice_named(kind)))
    try:
        return _beginning(incomplete, _components(kind_named(kind)))
    except UnknownNameError:
        return []


def scorers_in_a_list(incomplete: str) -> list[tuple[str, str]]:
    """Complete the last of some scorers with commas between them."""
    before, comma, last = incomplete.rpartition(",")
    return [(f"{before}{comma}{name}", text) for name, text in components("scorer")(last)]


def edition_of_data(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete an edition behind the adapter that downloads it."""
    name = context.params.get("name")
    editions = (_editions(component) for component in _of_kind("dataset") if name in component.names)
    return [(edition, licence) for one in editions for edition, licence in one if edition.startswith(incomplete)]


def _editions(component: Component) -> Iterator[tuple[str, str]]:
    descriptor: Any = component.descriptor
    yield from ((edition, _in_a_line(download.licence)) for edition, download in descriptor.downloads.items())


def _components(kind: Kind) -> Iterator[tuple[str, str]]:
    yield from ((component.descriptor.name, component.descriptor.summary) for component in _of_kind(kind))


def _of_kind(kind: Kind) -> list[Component]:
    return [component for component in Registry.from_environment().components if component.kind == kind]


def _built_ins(kind: str) -> Iterator[tuple[str, str]]:
    yield from ((one.name, one.summary) for one in built_ins(kind))


def _beginning(incomplete: str, named: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, _in_a_line(summary)) for name, summary in named if name.startswith(incomplete)]


def _in_a_line(text: str) -> str:
    """Return a text that typer does not break into lines, each of which fish would offer as a word."""
    return cell(textwrap.shorten(text, _WIDTH, placeholder="…"))


any_kind = words(*KINDS, *CHOICES)
plugin_kind = words(*KINDS)
checked_kind = words(*KINDS, "strategy")
device = words("auto", "cpu", "cuda")
