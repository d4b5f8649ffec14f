"""Every law of the kit: a folder a kind of component, a file a theme. Importing this needs Hypothesis."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

from shortstack.testing.law import Law


def _found() -> Iterator[Law]:
    """Every law that is written somewhere below this folder."""
    for place in walk_packages(__path__, f"{__name__}."):
        module = import_module(place.name)
        yield from (law for law in vars(module).values() if isinstance(law, Law) and law.home == place.name)


LAWS: Final[tuple[Law, ...]] = tuple(sorted(_found(), key=lambda law: (law.kind, law.number, law.name)))
