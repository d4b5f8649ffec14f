"""All laws of the kit: one folder per kind of component, one file per theme. Importing the laws needs Hypothesis."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

from shortstack.testing.law import Law, LawKind

FOLDERS: Final[Mapping[LawKind, str]] = {
    "scorer": "scorers",
    "student": "students",
    "dataset": "datasets",
    "loss": "losses",
    "strategy": "strategies",
}


def laws_of(kind: LawKind) -> tuple[Law, ...]:
    """Return the laws that bind one kind of component, by name."""
    return tuple(sorted(_found(kind), key=lambda law: law.name))


def _found(kind: LawKind) -> Iterator[Law]:
    folder = f"{__name__}.{FOLDERS[kind]}"
    themes = [place.name for place in walk_packages(import_module(folder).__path__, f"{folder}.")]
    for theme in [*themes, f"{__name__}.settings"]:
        module = import_module(theme)
        yield from (
            law for law in vars(module).values() if isinstance(law, Law) and (law.kind, law.home) == (kind, theme)
        )
